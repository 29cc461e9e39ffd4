import {
  flag,
  invalid,
  type ResolvedTransportOptions,
  resolveTransportOptions,
  type TransportOptions,
} from "@cm/transport";

/**
 * What {@link createUwsServer} takes. `maxHeadBytes` is told to the native layer as it is loaded, by
 * the first server of a process that starts; a later one can have less, not more. What waits is
 * looked at after every direct send that had to wait, and after every `maxBackpressureBytes` of
 * room messages (256 KiB if that is more), so it is at most twice `maxBackpressureBytes`, 1 MiB and one frame. Of
 * `maxTotalBackpressureBytes` what waits takes twice its bytes, since native buffers double as
 * they grow.
 */
export interface UwsServerOptions<U> extends TransportOptions<U> {
  /**
   * Let other processes listen on the same port; the kernel spreads connections.
   * Needs a fixed port. Default false.
   */
  readonly sharePort?: boolean | undefined;
}

/** {@link UwsServerOptions} with every default filled in and every value checked. */
export interface ResolvedUwsServerOptions<U> extends ResolvedTransportOptions<U> {
  readonly sharePort: boolean;
}

/** Fills in defaults and checks every value. Throws `options-invalid`; `details.field` names the option. */
export function resolveUwsServerOptions<U>(options: UwsServerOptions<U>): ResolvedUwsServerOptions<U> {
  const resolved = resolveTransportOptions(options, ["sharePort"]);
  const sharePort = flag("sharePort", options.sharePort ?? false);
  if (sharePort && resolved.port === 0) {
    throw invalid("sharePort", "needs a fixed port: one that is free is never shared");
  }
  return { ...resolved, sharePort };
}
