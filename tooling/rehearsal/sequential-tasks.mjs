/** Maximum number of concurrent installations, which compete for the disk and the registry. */
const AT_A_TIME = 3;

/**
 * Runs all jobs, some at a time. Waits for all of them even if one fails, because running jobs write into the
 * folder that is removed afterwards.
 */
export async function inTurn(jobs) {
  const queue = [...jobs];
  const workers = Array.from({ length: AT_A_TIME }, async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await job();
  });
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
