/** Maximum number of attempts to open a connection. */
const ATTEMPTS_MAX = 20;

/** Retries if a socket was closed during its upgrade, as code 1006 asks every client to. */
export async function patiently<T>(open: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await open();
    } catch (error) {
      if (attempt === ATTEMPTS_MAX) throw error;
    }
  }
}
