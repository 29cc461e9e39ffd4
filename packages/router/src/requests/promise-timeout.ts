/**
 * Settles like the promise, or resolves with the result of `late` if the promise takes longer than
 * `timeoutMs`.
 */
export function within<T, L>(work: Promise<T>, timeoutMs: number, late: () => L): Promise<T | L> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(late()), timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
