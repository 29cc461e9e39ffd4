/**
 * Number of partitions of users and rooms. A store in memory needs no partitions. It has more than one, so that
 * tests cover code that iterates over partitions, and only a few, so that the iteration costs almost nothing.
 */
export const PARTITIONS = 16;
