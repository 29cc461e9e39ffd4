import type { HttpRequest, HttpResponse } from "uWebSockets.js";
import { STATUS_CODES } from "node:http";
import {
  copyRequestHead,
  type HttpReply,
  headersOf,
  peerAddress,
  type ReplyDoor,
  type RequestHead,
  type TrustedProxies,
  type WriteOptions,
} from "@cm/transport";

/** Copies a native request, which dies when its handler returns. */
export function copyRequest(res: HttpResponse, req: HttpRequest, trustedProxies: TrustedProxies): RequestHead {
  return copyRequestHead({
    method: req.getCaseSensitiveMethod(),
    path: req.getUrl(),
    // Where there is no question mark there is none at all, against its type.
    query: req.getQuery() ?? "",
    // The native layer spells IPv6 out in full, and gives IPv4 peers of a dual-stack socket as mapped IPv6.
    remoteAddress: peerAddress(Buffer.from(res.getRemoteAddressAsText()).toString("latin1")),
    proxiedAddress: () => Buffer.from(res.getProxiedRemoteAddressAsText()).toString("latin1"),
    trustedProxies,
    eachHeader: (take) => req.forEach(take),
  });
}

/** Writes a whole reply in one piece. The response must be neither answered nor aborted. */
export function writeReply(res: HttpResponse, reply: HttpReply, options: WriteOptions = {}): void {
  const { headOnly = false, closeConnection = false } = options;
  res.cork(() => {
    res.writeStatus(`${reply.status} ${STATUS_CODES[reply.status] ?? "Unknown"}`);
    // The native layer writes the length itself.
    for (const [name, value] of headersOf(reply)) res.writeHeader(name, value);
    const body = reply.body ?? "";
    if (headOnly) res.endWithoutBody(Buffer.byteLength(body), closeConnection);
    else res.end(body, closeConnection);
  });
}

/** The open end of a native request. */
export function replyDoor(res: HttpResponse): ReplyDoor {
  let open = true;
  // Without it, returning unanswered ends the process; an answer without its body (HEAD) counts as none.
  res.onAborted(() => {
    open = false;
  });
  return {
    write(reply, options) {
      if (open) writeReply(res, reply, options);
      // An answer that comes before the end of the body is the last word.
      open = false;
    },
    read(take) {
      res.onData((chunk, isLast) => {
        if (open) take(Buffer.from(chunk), isLast);
      });
    },
  };
}
