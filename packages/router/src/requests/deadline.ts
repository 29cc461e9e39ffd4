/** What comes of a promise, or `late` where it takes longer than the milliseconds given. */
export function within<T>(work: Promise<T>, timeoutMs: number, late: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(late()), timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
