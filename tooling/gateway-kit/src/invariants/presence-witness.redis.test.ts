import { expect, it, onTestFinished } from "vitest";
import { Crowd } from "../clients/crowd.js";
import { startGatewayCluster } from "../processes/gateway-cluster.js";
import { PresenceWitness } from "./presence-witness.js";

it("sees who has gone without being announced, who is announced as gone and is there, and who is announced twice", async () => {
  const cluster = await startGatewayCluster({ size: 2 });
  onTestFinished(() => cluster.close());
  const crowd = await Crowd.gather(cluster, { perGateway: 2, alone: 2, rooms: 2 });
  const witness = await PresenceWitness.watch(cluster, crowd);
  const alone = crowd.members.find(({ user }) => user.startsWith("alone-0"));
  const fails = () => expect(witness.expectDepartures(crowd, { timeoutMs: 0 })).rejects.toThrow();

  alone?.socket.terminate();
  await fails();
  await witness.expectDepartures(crowd);
  // The user reconnects for a moment, and is announced as online and offline once more.
  await (await cluster.connect(1, alone?.user ?? "")).close();
  await expect(witness.expectDepartures(crowd, { timeoutMs: 500 })).rejects.toThrow("user alone-0");
  await witness.expectDepartures(crowd, { forgotten: alone === undefined ? [] : [alone] });
  // A present member leaves and joins again.
  const [member] = crowd.present;
  await member?.socket.do({ type: "leave", room: member.room });
  await member?.socket.do({ type: "join", room: member.room });
  await expect(witness.expectDepartures(crowd, { timeoutMs: 500 })).rejects.toThrow("connection ");
});
