import { createMembership, type Membership } from "@cm/membership";
import { CmError, createConnectionIdSource, type OnError, type RoomInterest, type Store } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { type RedisServer, startRedis } from "@cm/test-kit";
import { countCommands } from "./command-count.js";
import { ByHand } from "./hand-written-operations.js";
import { type Operation, type OperationRun, runOperations } from "./operation-run.js";

/** The result of a burst of operations, of this project or of the handwritten registry. */
export interface StormResult {
  readonly storm: "join-storm" | "presence-churn";
  readonly contender: "cm" | "by-hand";
  readonly repeat: number;
  /** Number of commands sent to Redis per operation, counted with Redis's `MONITOR`. */
  readonly commandsPerOperation: number;
  readonly run: OperationRun;
}

const OPERATIONS = 10_000;

/** Maximum number of operations in progress. */
const CONCURRENCY = 500;

/** Number of operations whose commands are counted. They are not timed, because `MONITOR` slows Redis down. */
const COUNTED = 100;

const ROOMS = 500;

/** Replaces the subscriptions to room channels. Nothing is published, because only the registry is measured. */
const NO_CHANNELS: RoomInterest = { enter: async () => undefined, exit: () => undefined };

/**
 * Measures 10,000 connections that open and join one room each, and 10,000 users who come online and go
 * offline. Each burst runs alternately through membership and store, with every index, lease and announcement,
 * and through the handwritten registry with plain pipelines.
 */
export async function measureStorms(repeats: number): Promise<StormResult[]> {
  const results: StormResult[] = [];
  for (let repeat = 1; repeat <= repeats; repeat++) {
    results.push(await measureOurs("join-storm", repeat), await measureByHand("join-storm", repeat));
    results.push(await measureOurs("presence-churn", repeat), await measureByHand("presence-churn", repeat));
  }
  return results;
}

async function measureOurs(storm: StormResult["storm"], repeat: number): Promise<StormResult> {
  const redis = await startRedis();
  const onError: OnError = (error) => console.error(error);
  const store = createRedisStore({ url: redis.url, onError });
  await store.start();
  const membership = createMembership({
    ids: createConnectionIdSource({ serverId: "gateway-0", capacity: OPERATIONS }),
    store,
    interest: NO_CHANNELS,
    offlineGraceMs: 0,
    onError,
  });
  try {
    await membership.start();
    const operation = storm === "join-storm" ? joining(membership) : comingAndGoing(membership);
    const result = await measure(redis, storm, "cm", repeat, operation);
    await requireState(store, storm);
    return result;
  } finally {
    await membership.shutdown();
    await store.close();
    await redis.close();
  }
}

async function measureByHand(storm: StormResult["storm"], repeat: number): Promise<StormResult> {
  const redis = await startRedis();
  const hand = new ByHand(redis.url);
  try {
    const operation: Operation =
      storm === "join-storm" ? (index) => hand.join(index, `room-${index % ROOMS}`) : (index) => hand.comeAndGo(index);
    return await measure(redis, storm, "by-hand", repeat, operation);
  } finally {
    hand.close();
    await redis.close();
  }
}

async function measure(
  redis: RedisServer,
  storm: StormResult["storm"],
  contender: StormResult["contender"],
  repeat: number,
  operation: Operation,
): Promise<StormResult> {
  const run = await runOperations(redis, OPERATIONS, CONCURRENCY, operation);
  const commands = await countCommands(redis, async () => {
    for (let index = 0; index < COUNTED; index++) await operation(OPERATIONS + index);
  });
  return { storm, contender, repeat, commandsPerOperation: commands / COUNTED, run };
}

function joining(membership: Membership): Operation {
  return async (index) => {
    const connectionId = membership.nextConnectionId();
    await membership.open({ connectionId, userId: `user-${index}` });
    await membership.join(connectionId, `room-${index % ROOMS}`);
  };
}

function comingAndGoing(membership: Membership): Operation {
  return async (index) => {
    const connectionId = membership.nextConnectionId();
    await membership.open({ connectionId, userId: `user-${index}` });
    await membership.close(connectionId);
  };
}

/**
 * Throws `internal` if the store is not in the expected state, because operations that did nothing would look
 * fast.
 */
async function requireState(store: Store, storm: StormResult["storm"]): Promise<void> {
  const expected = storm === "join-storm" ? OPERATIONS + COUNTED : 0;
  const online = await store.counts.of("users");
  if (online !== expected) throw new CmError("internal", `${expected} users should be online and ${online} are.`);
}
