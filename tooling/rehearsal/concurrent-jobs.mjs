/** Maximum number of jobs that run at the same time. Jobs are installations, which compete for disk and registry. */
const AT_A_TIME = 3;

/**
 * Runs jobs, at most three at the same time. If a job fails, waits for the jobs that run before it rejects,
 * because they write into a folder that is removed afterwards. Jobs that have not begun still run, unless three
 * jobs have failed.
 */
export async function runJobs(jobs) {
  const queue = [...jobs];
  const workers = Array.from({ length: AT_A_TIME }, async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await job();
  });
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
