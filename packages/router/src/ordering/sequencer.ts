import {
  createEnvelopeHeader,
  type EnvelopeHeader,
  type EnvelopePosition,
  type EnvelopeRoute,
  type HistoryDraft,
  type SequencerPosition,
} from "@cm/protocol";

const NO_SEQUENCER: SequencerPosition = { epoch: 0, sequence: 0, ageMs: 0 };

/** Numbers the messages that this server publishes on one channel, and writes the header they share. */
export class Sequencer<Channel> {
  readonly channel: Channel;
  /**
   * Identifies the numbering of this object; it is not the epoch of a room's history. It is random and not a clock
   * value: if a server restarted under its old id and reused an epoch, its first messages would be dropped as
   * duplicates.
   */
  readonly #epoch = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  readonly #header: EnvelopeHeader | undefined;
  readonly #beganAt = performance.now();
  #last = 0;

  /**
   * `route`: the header fields, such as kind, origin and target, that all messages on the channel share;
   * `undefined` if they are given with each message.
   */
  constructor(channel: Channel, route: EnvelopeRoute | undefined) {
    this.channel = channel;
    this.#header = route === undefined ? undefined : createEnvelopeHeader(route);
  }

  /**
   * Returns the next message: a header with the next number, and the frame. `route` replaces the shared header
   * fields.
   */
  message(frame: Uint8Array | string, route?: EnvelopeRoute): Buffer {
    return this.#write(frame, this.#headerFor(route), this.#next());
  }

  /**
   * Like {@link message}, but returns a draft for a history, which inserts its stamp after the first byte of
   * the frame.
   */
  draft(frame: Uint8Array | string, origin: string, route?: EnvelopeRoute): HistoryDraft {
    const header = this.#headerFor(route);
    const position = this.#next();
    const message = this.#write(frame, header, position);
    const cut = header.bytes + 1;
    return { before: message.subarray(0, cut), after: message.subarray(cut), sender: { origin, ...position } };
  }

  /** The sequencer's epoch, the number of its latest message, and its age in milliseconds. */
  get position(): SequencerPosition {
    return { epoch: this.#epoch, sequence: this.#last, ageMs: performance.now() - this.#beganAt };
  }

  #headerFor(route: EnvelopeRoute | undefined): EnvelopeHeader {
    const header = route === undefined ? this.#header : createEnvelopeHeader(route);
    if (header === undefined) throw new TypeError("A channel without a fixed route needs a route for each message.");
    return header;
  }

  #write(frame: Uint8Array | string, header: EnvelopeHeader, position: EnvelopePosition): Buffer {
    const isText = typeof frame === "string";
    const message = Buffer.allocUnsafe(header.bytes + (isText ? Buffer.byteLength(frame) : frame.length));
    header.write(message, position);
    if (isText) message.write(frame, header.bytes);
    else message.set(frame, header.bytes);
    return message;
  }

  #next(): EnvelopePosition {
    this.#last++;
    return { epoch: this.#epoch, sequence: this.#last };
  }
}

/**
 * The sequencers of all channels that this server publishes on. Their number is bounded: beyond it, the
 * oldest sequencer is dropped. If its channel is used again, a new sequencer begins at 1 under another epoch,
 * which receivers accept as a new numbering.
 */
export class Sequencers<Row extends Sequencer<unknown>> {
  readonly #rows = new Map<string, Row>();
  readonly #max: number;
  readonly #make: (name: string) => Row;

  constructor(max: number, make: (name: string) => Row) {
    this.#max = max;
    this.#make = make;
  }

  get size(): number {
    return this.#rows.size;
  }

  /**
   * Returns the sequencer of a channel, and creates it if needed. If `make` throws because the name is not
   * valid, nothing is kept.
   */
  of(name: string): Row {
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = this.#make(name);
      if (this.#rows.size >= this.#max) this.#forgetOldest();
      this.#rows.set(name, row);
    }
    return row;
  }

  /** The position of a channel's sequencer; sequence 0 if there is none. */
  position(name: string): SequencerPosition {
    return this.#rows.get(name)?.position ?? NO_SEQUENCER;
  }

  #forgetOldest(): void {
    for (const name of this.#rows.keys()) {
      this.#rows.delete(name);
      return;
    }
  }
}
