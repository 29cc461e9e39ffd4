import { type Attack, bystanderFindings, type Finding, type Scene } from "../attack.js";

/** Slightly below the default limit of requests per second of one connection. */
const REQUESTS_PER_SECOND = 95;

/** The default limit of receivers per second of one connection's messages. */
const FANOUT_PER_SECOND = 100_000;

/**
 * Creates an attack that sends messages to all connections of one user, or to a room, as fast as requests are
 * accepted.
 */
function fanOut(
  { name, title }: Pick<Attack, "name" | "title">,
  { receivers, senders, target }: { receivers: number; senders: number; target: "user" | "room" },
): Attack {
  return {
    name,
    title,
    env: ({ size }) => ({
      // No limit, because the whole crowd may be one user.
      MAX_CONNECTIONS_PER_USER: "0",
      MAX_FANOUT_PER_SECOND: String(Math.round(FANOUT_PER_SECOND * size)),
    }),
    async run(scene: Scene): Promise<readonly Finding[]> {
      const { gateway, scale } = scene;
      const crowd = scene.crowd();
      const count = Math.round(receivers * scale.size);
      const rooms = target === "room" ? ["square"] : [];
      await crowd.open({ wsUrl: gateway.wsUrl, count, user: "crowd", isOneUser: target === "user", rooms });
      const attackers = scene.crowd();
      await attackers.open({ wsUrl: gateway.wsUrl, count: senders, user: "sender", rooms });
      const to = target === "user" ? { type: "send", user: "crowd" } : { type: "publish", room: "square", echo: false };
      const frame = JSON.stringify({ ...to, data: "x".repeat(100) });
      let errors: Readonly<Record<string, number>> = {};
      const figures = await scene.bystanders(async () => {
        ({ errors } = await attackers.flood({ frame, perSecond: REQUESTS_PER_SECOND, seconds: scale.seconds }));
      });
      const limited = errors["rate-limited"] ?? 0;
      return [
        ...bystanderFindings(figures),
        {
          what: `rate-limited, of ${senders * REQUESTS_PER_SECOND * scale.seconds} sent`,
          value: String(limited),
          isKept: limited > 0,
        },
      ];
    },
  };
}

export const FAN_OUT_ATTACKS: readonly Attack[] = [
  fanOut(
    { name: "user-1", title: "one sender to a user with 5,000 connections" },
    { receivers: 5_000, senders: 1, target: "user" },
  ),
  fanOut(
    { name: "user-20", title: "twenty senders to a user with 5,000 connections" },
    { receivers: 5_000, senders: 20, target: "user" },
  ),
  fanOut(
    { name: "room-1", title: "one sender to a room with 10,000 members" },
    { receivers: 9_900, senders: 1, target: "room" },
  ),
  fanOut(
    { name: "room-20", title: "twenty senders to a room with 10,000 members" },
    { receivers: 9_900, senders: 20, target: "room" },
  ),
];
