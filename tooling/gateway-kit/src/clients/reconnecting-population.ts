import type { ClosablePopulation } from "../invariants/clean-end.js";
import type { GatewayCluster } from "../processes/gateway-cluster.js";
import type { CrowdMember } from "./crowd-member.js";
import type { ReconnectingClient } from "./reconnecting-client.js";

/** The clients with all their connections so far, in the form that the invariants need. */
export function populationOf(clients: readonly ReconnectingClient[], cluster: GatewayCluster): ClosablePopulation {
  const members = clients.flatMap(({ user, room, sittings }) =>
    sittings.map(({ socket, server }): CrowdMember => {
      const gateway = cluster.gateways.findIndex(({ serverId }) => serverId === server);
      return { socket, user, gateway, room };
    }),
  );
  return {
    members,
    get present() {
      return members.filter(({ socket }) => socket.isOpen);
    },
    leave: () => clients.forEach((client) => void client.stop()),
  };
}
