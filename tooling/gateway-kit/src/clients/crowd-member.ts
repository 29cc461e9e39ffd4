import type { CmSocket } from "./cm-socket.js";

/** One client of a crowd. */
export interface CrowdMember {
  readonly socket: CmSocket;
  readonly user: string;
  /** Which gateway it is connected to. */
  readonly gateway: number;
  readonly room: string;
}
