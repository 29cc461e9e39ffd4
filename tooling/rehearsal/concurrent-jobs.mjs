/** Maximum number of jobs that run at the same time. Jobs are installations, which compete for disk and registry. */
const AT_A_TIME = 3;

/**
 * Runs jobs, at most three at the same time. After a job has failed, no other job begins. Waits for the jobs that run
 * before it rejects, because they write into a folder that is removed afterwards.
 */
export async function runJobs(jobs) {
  const waiting = [...jobs];
  const workers = Array.from({ length: AT_A_TIME }, async () => {
    try {
      for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await job();
    } catch (error) {
      waiting.length = 0;
      throw error;
    }
  });
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
