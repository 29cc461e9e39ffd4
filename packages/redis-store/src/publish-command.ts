import { Command } from "ioredis";

/** Channels whose part of the command is kept ready; beyond it all are forgotten and made anew. */
const MAX_CHANNELS = 10_000;

const LINE_END = Buffer.from("\r\n");

/**
 * Makes PUBLISH or SPUBLISH commands that are written in one piece. The client library
 * puts a command with bytes among its arguments together from a dozen small buffers,
 * which costs more than sending it.
 */
export class PublishCommands {
  readonly #name: "publish" | "spublish";
  readonly #heads = new Map<string, Buffer>();

  constructor(name: "publish" | "spublish") {
    this.#name = name;
  }

  make(channel: string, message: Buffer): Command {
    return new PublishCommand(this.#name, channel, this.#headOf(channel), message);
  }

  #headOf(channel: string): Buffer {
    let head = this.#heads.get(channel);
    if (head === undefined) {
      if (this.#heads.size >= MAX_CHANNELS) this.#heads.clear();
      const name = this.#name;
      // RESP: an array of three bulk strings, up to the length of the third.
      head = Buffer.from(`*3\r\n$${name.length}\r\n${name}\r\n$${Buffer.byteLength(channel)}\r\n${channel}\r\n$`);
      this.#heads.set(channel, head);
    }
    return head;
  }
}

class PublishCommand extends Command {
  readonly #head: Buffer;
  readonly #message: Buffer;

  constructor(name: "publish" | "spublish", channel: string, head: Buffer, message: Buffer) {
    super(name, [channel, message], { replyEncoding: "utf8" });
    this.#head = head;
    this.#message = message;
  }

  override toWritable(): Buffer {
    const head = this.#head;
    const message = this.#message;
    const length = `${message.length}\r\n`;
    const messageAt = head.length + length.length;
    const bytes = Buffer.allocUnsafe(messageAt + message.length + LINE_END.length);
    bytes.set(head);
    bytes.write(length, head.length, "latin1");
    bytes.set(message, messageAt);
    bytes.set(LINE_END, messageAt + message.length);
    return bytes;
  }
}
