import { CmError } from "@cm/protocol";

/**
 * Fetches a document of at most `maxBytes` bytes. `fetch` itself reads a body of any size.
 * Fails with `unavailable`.
 */
export async function boundedFetch(url: string, init: RequestInit, maxBytes: number): Promise<Response> {
  const response = await fetch(url, init);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the body.
    if (bytes > maxBytes) throw new CmError("unavailable", `The key set is over ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status, headers: response.headers });
}
