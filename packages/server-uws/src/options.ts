import { optionInvalid, requireFlag } from "@cm/protocol/options";
import { type ResolvedTransportOptions, resolveTransportOptions, type TransportOptions } from "@cm/transport";

/**
 * Options of {@link createUwsServer}. The first server that starts in a process loads the native layer, which
 * then reads `maxHeadBytes`; later servers can use a lower limit, not a higher one. Queued bytes are checked
 * after every direct send that could not be written at once, and after every `maxBackpressureBytes` of room
 * messages (256 KiB if that is more). The bytes queued for a connection are therefore at most twice
 * `maxBackpressureBytes`, plus 1 MiB and one frame. Each queued byte counts as two towards
 * `maxTotalBackpressureBytes`, because native buffers double as they grow.
 */
export interface UwsServerOptions<U> extends TransportOptions<U> {
  /**
   * Whether other processes may listen on the same port; the kernel distributes new connections. Needs a fixed
   * port. Default false.
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
  const sharePort = requireFlag("sharePort", options.sharePort ?? false);
  if (sharePort && resolved.port === 0) {
    throw optionInvalid("sharePort", "false if port is 0, because each process would get another free port");
  }
  return { ...resolved, sharePort };
}
