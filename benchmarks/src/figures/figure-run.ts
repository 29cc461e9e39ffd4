import type { RedisServer } from "@cm/test-kit";

/** Figures by their titles, such as `server CPU us a join`. */
export type Figures = Readonly<Record<string, number>>;

/** One run of a scenario that measures other figures than those of a load. */
export interface FigureRun {
  readonly scenario: string;
  /** The contender, or a setup such as one Redis if only this project is measured. */
  readonly subject: string;
  readonly repeat: number;
  /** Whether everything took place that the figures are calculated from. */
  readonly valid: boolean;
  /** Whether other processes used more than a tenth of a core. */
  readonly disturbed: boolean;
  /** Average number of cores that other processes used. */
  readonly otherCores: number;
  readonly figures: Figures;
  /** The parts of some figures, by the titles of the figures; older results lack them. */
  readonly details?: Readonly<Record<string, Figures>>;
}

/** What one run of a subject measured. */
export interface FigureSample {
  readonly valid: boolean;
  readonly otherCores: number;
  readonly figures: Figures;
  readonly details?: Readonly<Record<string, Figures>>;
}

/** Options of one run of a subject. */
export interface FigureContext {
  readonly repeat: number;
  readonly redis: RedisServer;
  /** Factor applied to the number of connections, operations or rooms. */
  readonly scale: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

/** A scenario that measures other figures than those of a load. */
export interface FigureScenario {
  readonly name: string;
  /** Says what a run at a scale measures, in one or more sentences. */
  text(scale: number): string;
  /**
   * The contenders or setups that are compared. Ratios divide the figures of the first one by those of each other
   * one.
   */
  readonly subjects: readonly string[];
  measure(subject: string, context: FigureContext): Promise<FigureSample>;
}
