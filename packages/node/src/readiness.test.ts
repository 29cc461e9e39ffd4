import { CmError, type LinkStatus } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { judgeReadiness, type ReadinessSources } from "./readiness.js";

const LINK: LinkStatus = {
  state: "in-sync",
  since: 0,
  lastProbeMs: undefined,
  reconnects: 0,
  resubscriptions: 0,
  replacedSubscribers: 0,
  timedOutCommands: 0,
  refusedCommands: 0,
};
const READY: ReadinessSources = { phase: "serving", lease: "held", fault: undefined, link: LINK };

describe("readiness", () => {
  it("is reported with all inputs of the decision", () => {
    expect(judgeReadiness(READY)).toEqual({
      ready: true,
      phase: "serving",
      lease: "held",
      fault: null,
      link: "in-sync",
      linkSince: "1970-01-01T00:00:00.000Z",
      lastProbeMs: null,
    });
    expect(judgeReadiness({ ...READY, link: { ...LINK, lastProbeMs: 7 } }).lastProbeMs).toBe(7);
    expect(judgeReadiness({ ...READY, lease: "none" }).ready).toBe(true);
  });

  it.each<[Partial<ReadinessSources>, object]>([
    [{ phase: "starting" }, { phase: "starting" }],
    [{ phase: "draining" }, { phase: "draining" }],
    [{ phase: "closing" }, { phase: "closing" }],
    [{ lease: "lost" }, { lease: "lost" }],
    [{ fault: new CmError("layout-mismatch", "Another layout.") }, { fault: "layout-mismatch" }],
    [{ link: { ...LINK, state: "degraded" } }, { link: "degraded" }],
    [{ link: { ...LINK, state: "down" } }, { link: "down" }],
  ])("is not given for %o, which is told", (source, told) => {
    expect(judgeReadiness({ ...READY, ...source })).toMatchObject({ ready: false, ...told });
  });
});
