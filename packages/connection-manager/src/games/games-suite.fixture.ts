import type { HarnessFactory } from "@cm/contract-tests/store";
import { describe, it } from "vitest";
import { describeDisconnections } from "./disconnection-suite.fixture.js";
import { describeInput } from "./game-input-suite.fixture.js";
import { describePlay } from "./game-play-suite.fixture.js";
import { type DefineGameTest, TestManagers } from "./managers.fixture.js";

/** Contract tests for a game manager, on any store. Sessions on that store expire after `roomRecordTtlMs`. */
export function describeGames(
  name: string,
  createHarness: (roomRecordTtlMs?: number) => ReturnType<HarnessFactory>,
): void {
  const test: DefineGameTest = (sentence, body, roomRecordTtlMs) => {
    it(sentence, async () => {
      const managers = new TestManagers(await createHarness(roomRecordTtlMs));
      try {
        await body(managers);
      } finally {
        await managers.close();
      }
    });
  };

  describe(`games on ${name}`, () => {
    describePlay(test);
    describeDisconnections(test);
    describeInput(test);
  });
}
