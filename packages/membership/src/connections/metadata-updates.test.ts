import { CmError } from "@cm/protocol";
import { expect, it } from "vitest";
import { contractsOf, overridden, useTestServers } from "../membership.fixture.js";

const { server, connect } = useTestServers();

it("writes metadata whose update failed while the retry of an earlier update was in progress", async () => {
  const made = await server("b");
  const { store } = made;
  const refused = () => Promise.reject(new CmError("unavailable", "away"));
  let write: typeof store.users.add = refused;
  const users = overridden(store.users, {
    add: (...args) => (args[2]?.onlyExisting === true ? write(...args) : store.users.add(...args)),
  });
  const a = await server("a", { store: { ...contractsOf(store), users } });
  await a.membership.start();
  const id = await connect(a, "ann");
  const metadataOf = async () => (await store.users.states(["ann"]))[0]?.connections[0]?.metadata;

  let isRetrying = false;
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  await expect(a.membership.update(id, "first")).rejects.toMatchObject({ code: "unavailable" });
  write = async (...args) => {
    isRetrying = true;
    await finished;
    await store.users.add(...args);
  };
  await expect.poll(() => isRetrying).toBe(true);
  write = refused;
  await expect(a.membership.update(id, "second")).rejects.toMatchObject({ code: "unavailable" });
  write = store.users.add;
  finish();
  await expect.poll(metadataOf).toBe('"second"');
});
