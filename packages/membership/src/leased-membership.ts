import { type CmError, type EnteredRoom, requireServerId } from "@cm/protocol";
import { notStarted, requireFields } from "@cm/protocol/options";
import { FailureReports } from "./failure-reports.js";
import { ServerLease } from "./lease/server-lease.js";
import { LocalMembership } from "./local-membership.js";
import type { CloseOptions, JoinRoomOptions, Membership, MembershipStats, NewConnection } from "./membership.js";
import { membershipShutDown } from "./membership-shut-down.js";
import { type MembershipOptions, type ResolvedMembershipOptions, resolveMembershipOptions } from "./options.js";

/** Creates a membership. Throws `options-invalid`. Nothing is written to the store before `start`. */
export function createMembership(options: MembershipOptions): Membership {
  return new LeasedMembership(resolveMembershipOptions(options));
}

/** Starts and ends the two parts of a membership in the right order, and refuses calls before and after that. */
class LeasedMembership implements Membership {
  readonly #options: ResolvedMembershipOptions;
  readonly #failures: FailureReports;
  readonly #lease: ServerLease;
  readonly #connections: LocalMembership;
  #starting: Promise<void> | undefined;
  /** Aborted when the shutdown begins. */
  readonly #stop = new AbortController();
  #shutdown: Promise<void> | undefined;

  constructor(options: ResolvedMembershipOptions) {
    this.#options = options;
    this.#failures = new FailureReports(options.onError);
    this.#lease = new ServerLease(options, this.#failures, () => this.#connections);
    this.#connections = new LocalMembership(options, this.#lease.keeper, this.#failures);
  }

  get serverId(): string {
    return this.#options.ids.serverId;
  }

  get holdsLease(): boolean {
    return this.#lease.keeper.held;
  }

  checkLease(): Promise<boolean> {
    return this.#lease.keeper.check();
  }

  get fault(): CmError | undefined {
    return this.#lease.keeper.fault;
  }

  start(): Promise<void> {
    if (this.#shutdown !== undefined) return Promise.reject(membershipShutDown());
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    await this.#lease.start(this.#stop.signal);
    // The shutdown may have begun between the two, and must find no timer that starts after it.
    this.#stop.signal.throwIfAborted();
    await this.#connections.start();
  }

  nextConnectionId(): string {
    return this.#options.ids.next();
  }

  async open(given: NewConnection): Promise<void> {
    this.#requireRunning("open");
    await this.#connections.open(given);
  }

  async update(connectionId: string, metadata: unknown): Promise<void> {
    this.#requireRunning("update");
    await this.#connections.update(connectionId, metadata);
  }

  async close(connectionId: string, options: CloseOptions = {}): Promise<void> {
    const { signOff } = requireFields("options", options, { signOff: true }, "{ signOff: true }");
    await this.#connections.close(connectionId, signOff);
  }

  async join(connectionId: string, room: string, options: JoinRoomOptions = {}): Promise<EnteredRoom | undefined> {
    this.#requireRunning("join");
    const { record } = requireFields("options", options, { record: true }, '{ record: "{}" }');
    return this.#connections.join(connectionId, room, record);
  }

  isMember(connectionId: string, room: string): boolean {
    return this.#connections.isMember(connectionId, room);
  }

  leave(connectionId: string, room: string): Promise<void> {
    return this.#connections.leave(connectionId, room);
  }

  async reap(serverId: string): Promise<number | undefined> {
    this.#requireRunning("reap");
    return this.#lease.reap(requireServerId(serverId));
  }

  async reapExpired(): Promise<number> {
    this.#requireRunning("reapExpired");
    return this.#lease.reapExpired();
  }

  stats(): MembershipStats {
    return {
      ...this.#connections.stats(),
      reapedServers: this.#lease.reapedServers,
      leaseAgeMs: this.#lease.keeper.ageMs,
    };
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= this.#shutDown();
    return this.#shutdown;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #shutDown(): Promise<void> {
    this.#stop.abort(membershipShutDown());
    this.#failures.shutdownBegins();
    this.#connections.stop();
    // A start that is in progress may still acquire the lease; its caller gets its error.
    await Promise.all([this.#lease.stopWatching(), this.#starting?.catch(() => undefined)]);
    await this.#lease.keeper.stop();
    // If entries are left, keep the lease until it expires: after a release, no server would clean up after them.
    if (await this.#connections.withdraw()) await this.#lease.release();
  }

  #requireRunning(call: string): void {
    if (this.#shutdown !== undefined) throw membershipShutDown();
    if (!this.#lease.keeper.acquired) throw notStarted(`membership.${call}`);
  }
}
