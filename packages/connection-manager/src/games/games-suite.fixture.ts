import type { HarnessFactory } from "@cm/contract-tests/store";
import { describe, it } from "vitest";
import { promiseEndings } from "./game-endings-suite.fixture.js";
import { promiseInput } from "./game-input-suite.fixture.js";
import { promisePlay } from "./game-play-suite.fixture.js";
import { type GamesPromise, TestManagers } from "./managers.fixture.js";

/** Contract tests for a game manager, on any store. Sessions on that store expire after `roomRecordTtlMs`. */
export function describeGames(
  name: string,
  createHarness: (roomRecordTtlMs?: number) => ReturnType<HarnessFactory>,
): void {
  const promise: GamesPromise = (sentence, body, roomRecordTtlMs) => {
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
    promisePlay(promise);
    promiseEndings(promise);
    promiseInput(promise);
  });
}
