import { Redis } from "ioredis";

/**
 * A typical handwritten registry: a hash for each connection, a set for each room and user, and one pipeline
 * per operation. It has no lease, no fence, no expiry except that of connections, no versions, and no cleanup
 * after a dead server.
 */
export class ByHand {
  readonly #redis: Redis;

  constructor(url: string) {
    this.#redis = new Redis(url, { enableAutoPipelining: false });
  }

  async join(index: number, room: string): Promise<void> {
    const id = `conn-${index}`;
    const user = `user-${index}`;
    await this.#redis
      .pipeline()
      .hset(`hand:connections:${id}`, { userId: user, serverId: "hand", connectedAt: Date.now(), rooms: room })
      .expire(`hand:connections:${id}`, 3600)
      .sadd(`hand:users:${user}`, id)
      .sadd(`hand:rooms:${room}`, id)
      .exec();
  }

  async comeAndGo(index: number): Promise<void> {
    const id = `conn-${index}`;
    const user = `user-${index}`;
    await this.#redis
      .pipeline()
      .sadd(`hand:users:${user}`, id)
      .sadd("hand:online", user)
      .publish("hand:presence", `{"user":"${user}","online":true}`)
      .exec();
    await this.#redis
      .pipeline()
      .srem(`hand:users:${user}`, id)
      .srem("hand:online", user)
      .publish("hand:presence", `{"user":"${user}","online":false}`)
      .exec();
  }

  close(): void {
    this.#redis.disconnect();
  }
}
