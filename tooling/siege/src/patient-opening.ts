/** Maximum number of attempts to open a connection. */
const ATTEMPTS_MAX = 20;

/**
 * Calls `open` until it succeeds, and rejects if the last attempt fails. A gateway may lose a socket during its
 * upgrade; the client sees 1006 and is to try again.
 */
export async function patiently<T>(open: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await open();
    } catch (error) {
      if (attempt === ATTEMPTS_MAX) throw error;
    }
  }
}
