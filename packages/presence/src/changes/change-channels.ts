import {
  type Bus,
  type BusHandler,
  type Channel,
  decodeUtf8,
  type OnError,
  type Result,
  toCmError,
} from "@cm/protocol";

/** A channel that is open or being opened. */
export interface OpenChannel {
  /** Settles when the channel is live, or could not be opened. */
  readonly opened: Promise<void>;
  close(): Promise<void>;
}

/** Handlers for the messages of a channel. */
export interface ChannelEvents<C> {
  readonly parse: (text: string) => Result<C>;
  readonly onChange: (change: C) => void;
  /** Called when the channel is live again after an interruption: changes may have been missed. */
  readonly onResumed: () => void;
}

/**
 * Opens the channels that carry changes. Opening a channel that is still being closed waits until it is
 * closed.
 */
export class ChangeChannels {
  readonly #bus: Pick<Bus, "subscribe">;
  readonly #onError: OnError;
  readonly #closing = new Map<string, Promise<void>>();

  constructor(bus: Pick<Bus, "subscribe">, onError: OnError) {
    this.#bus = bus;
    this.#onError = onError;
  }

  open<C>(channel: Channel, { parse, onChange, onResumed }: ChannelEvents<C>): OpenChannel {
    const take: BusHandler = (message) => {
      const parsed = parse(decodeUtf8(message) ?? "");
      // Skip a damaged change: the next change reveals the gap.
      if (parsed.ok) onChange(parsed.value);
      else this.#onError(parsed.error, { stage: "bus" });
    };
    const key = `${channel.kind}:${channel.name}`;
    const subscribing = (this.#closing.get(key) ?? Promise.resolve()).then(() =>
      this.#bus.subscribe(channel, take, onResumed),
    );
    const opened = subscribing.then(() => undefined);
    // Callers that await `opened` get the error; this handler avoids an unhandled rejection if there is no
    // such caller.
    opened.catch(() => undefined);
    return {
      opened,
      close: () => {
        const closing = subscribing
          .then(
            (subscription) => subscription.close(),
            () => undefined,
          )
          .catch((cause: unknown) => {
            const error = toCmError(cause, "unavailable", "A presence channel could not be unsubscribed.");
            this.#onError(error, { stage: "subscription" });
          })
          .finally(() => {
            if (this.#closing.get(key) === closing) this.#closing.delete(key);
          });
        this.#closing.set(key, closing);
        return closing;
      },
    };
  }
}
