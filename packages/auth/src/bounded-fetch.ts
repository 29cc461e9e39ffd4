import { CmError } from "@cm/protocol";

/**
 * Fetches a document of at most `maxBytes` bytes; `fetch` itself reads a body of any size. Rejects with
 * `unavailable` if the body is larger.
 */
export async function boundedFetch(url: string, init: RequestInit, maxBytes: number): Promise<Response> {
  const response = await fetch(url, init);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Throwing leaves the loop, which cancels the body.
    if (bytes > maxBytes) throw new CmError("unavailable", `The key set is larger than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status, headers: response.headers });
}
