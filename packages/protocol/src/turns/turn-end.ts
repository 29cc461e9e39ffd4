/**
 * Time for which the end of a turn is awaited, in milliseconds, while the turn goes on in other callbacks. A turn of
 * the event loop takes longer if thousands of sockets connect or close together; what others ask for meanwhile should
 * not wait for that.
 */
const WAIT_MAX_MS = 10;

type Task = () => void;

// The package is compiled without the types of Node.js, because the rest of it also runs in browsers.
declare const process: { nextTick(callback: () => void): void };
declare function setImmediate(callback: () => void): unknown;

const tasks: Task[] = [];
const lastTasks: Task[] = [];
/** Whether the end of the turn is awaited, or its tasks are running. */
let isAwaited = false;
let isEnding = false;
let awaitedSince = 0;
/** Whether the callback that began to wait is still running: its calls belong together, however long it takes. */
let isFirstCallback = false;

/**
 * Calls the function at the end of this turn of the event loop, after the network data that has arrived was handled, so
 * that calls which many clients cause in one turn can be combined. A turn that lasts longer than 10 ms counts as
 * several. Functions are called in the order in which they were passed, including those that are passed by a function
 * called at the end of the turn, or by the callbacks of promises that it resolves. They must not throw.
 */
export function atTurnEnd(task: Task): void {
  tasks.push(task);
  wait();
}

/** Like {@link atTurnEnd}, after all functions that were passed to it. */
export function lastAtTurnEnd(task: Task): void {
  lastTasks.push(task);
  wait();
}

/**
 * Ends the turn's wait if it has lasted too long. Call it where a turn may have many callbacks, or where a call is
 * added to those that wait already.
 */
export function splitLongTurn(): void {
  if (!isAwaited || isEnding || isFirstCallback || performance.now() - awaitedSince <= WAIT_MAX_MS) return;
  isEnding = true;
  // Not at once: the caller has more to add.
  process.nextTick(end);
}

function wait(): void {
  if (isAwaited) {
    splitLongTurn();
    return;
  }
  isAwaited = true;
  isFirstCallback = true;
  awaitedSince = performance.now();
  process.nextTick(endFirstCallback);
  setImmediate(endTurn);
}

function endFirstCallback(): void {
  isFirstCallback = false;
}

function endTurn(): void {
  if (!isAwaited || isEnding) return;
  isEnding = true;
  end();
}

function end(): void {
  // First, so that the turn also ends if a task throws. A callback of `nextTick` that is passed by a microtask runs
  // after all microtasks: what the tasks resolve can still add to the turn.
  queueMicrotask(finishLater);
  runAll(tasks);
}

function finishLater(): void {
  process.nextTick(finish);
}

function finish(): void {
  if (tasks.length > 0) {
    end();
    return;
  }
  isEnding = false;
  isAwaited = false;
  runAll(lastTasks);
}

/** Removes and runs all tasks of a list, which may grow meanwhile. A task that throws is not run again. */
function runAll(list: Task[]): void {
  for (let task = list.shift(); task !== undefined; task = list.shift()) task();
}
