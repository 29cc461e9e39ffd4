import { describe, expect, it, onTestFinished, vi } from "vitest";
import { RawClient, type RawClientOptions } from "./raw-client.js";
import { type CreateTransport, refusal, serverStarter, WAIT } from "./transport-harness.js";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
const PROXY = "21";
const LOCAL = "20";
const TCP4 = "11";
const TCP6 = "21";
const UNSPECIFIED = "00";

/** Ports of the client and of the server, 12,345 and 443. */
const PORTS = "303901bb";
const CLIENT4 = `cb007107c0000201${PORTS}`;
const CLIENT6 = `20010db800000000000000000000000720010db8000000000000000000000001${PORTS}`;
/** An extension of the type NOOP (4) with two bytes. */
const EXTENSION = "0400020000";

/** Builds a header of the PROXY protocol, version 2, from hexadecimal parts. */
function proxyHeader(command: string, family: string, rest: string): Buffer {
  const size = (rest.length / 2).toString(16).padStart(4, "0");
  return Buffer.from(SIGNATURE + command + family + size + rest, "hex");
}

/** The header of a client with the address 203.0.113.7. */
const PROXY_HEADER = proxyHeader(PROXY, TCP4, CLIENT4);

export function describeProxyProtocol(createTransport: CreateTransport): void {
  const startServer = serverStarter(createTransport);
  const TRUSTING = { trustedProxies: ["127.0.0.1", "203.0.113.0/24"] };

  describe("a PROXY header", () => {
    it.each<[string, RawClientOptions, string]>([
      ["an IPv4 client", { preamble: proxyHeader(PROXY, TCP4, `c6336407c0000201${PORTS}`) }, "198.51.100.7"],
      ["an IPv6 client", { preamble: proxyHeader(PROXY, TCP6, CLIENT6) }, "2001:db8::7"],
      [
        "a client, with an extension",
        { preamble: proxyHeader(PROXY, TCP4, `c6336407c0000201${PORTS}${EXTENSION}`) },
        "198.51.100.7",
      ],
      ["the proxy itself", { preamble: proxyHeader(LOCAL, UNSPECIFIED, "") }, "127.0.0.1"],
      ["no address", { preamble: proxyHeader(PROXY, UNSPECIFIED, "") }, "127.0.0.1"],
      [
        "another trusted proxy, behind which is a client",
        { preamble: PROXY_HEADER, headers: { "X-Forwarded-For": "192.0.2.1, 198.51.100.8" } },
        "198.51.100.8",
      ],
    ])("of a trusted proxy that names %s gives the client's address", async (_, options, address) => {
      const { joinRaw } = await startServer(TRUSTING);
      expect((await joinRaw(options)).connection.remoteAddress).toBe(address);
    });

    it("that is absent leaves the address of the peer", async () => {
      const { joinRaw } = await startServer(TRUSTING);
      expect((await joinRaw()).connection.remoteAddress).toBe("127.0.0.1");
    });

    it("of a peer that is not trusted is never believed", async () => {
      const { port, opened } = await startServer({ trustedProxies: ["192.0.2.1"] });
      const raw = await RawClient.dial(port, { preamble: PROXY_HEADER });
      onTestFinished(() => raw.destroy());
      // A library may refuse the header, or ignore it.
      await vi.waitFor(() => expect(raw.ended || opened.length > 0).toBe(true), WAIT);
      expect(opened.map(({ remoteAddress }) => remoteAddress)).not.toContain("203.0.113.7");
    });

    it("determines which address an upgrade counts for", async () => {
      const { port, joinRaw } = await startServer({ trustedProxies: ["127.0.0.1"], maxConnectionsPerAddress: 1 });
      await joinRaw({ preamble: PROXY_HEADER });
      const refused = await refusal(port, { preamble: PROXY_HEADER });
      expect(refused).toMatchObject({ status: 429, body: { code: "connections-limit" } });
      await joinRaw({ preamble: proxyHeader(PROXY, TCP6, CLIENT6) });
    });

    it.each([
      ["version 3", proxyHeader("31", TCP4, CLIENT4)],
      ["a signature with another last byte", Buffer.concat([PROXY_HEADER.subarray(0, 11), Buffer.from("x")])],
    ])("with %s opens no connection", async (_, preamble) => {
      const { port, join, opened } = await startServer(TRUSTING);
      const raw = await RawClient.dial(port, { preamble });
      onTestFinished(() => raw.destroy());
      // A library may refuse the request, or wait for more of it. The next client is served in any case.
      const { connection } = await join();
      expect(opened).toEqual([connection]);
      expect(raw.answer?.status).not.toBe(101);
    });
  });
}
