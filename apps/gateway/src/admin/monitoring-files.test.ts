import { readFile } from "node:fs/promises";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { isClientErrorCode, SUBPROTOCOL } from "@cm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { type AdminGateway, startAdminGateway } from "./admin-gateway.fixture.js";

/** Labels that Prometheus adds to every series. */
const TARGET_LABELS = ["job", "instance"];

/** An expression, and the labels that its legend or annotations name. */
interface Query {
  readonly expression: string;
  readonly named: readonly string[];
}

let served: AdminGateway;
/** The scraped series by name, each with the values of its labels. */
let series: ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;
/** The names of the scraped metrics of the gateway. */
let metrics: readonly string[];

beforeAll(async () => {
  served = await startAdminGateway({ onJoin: () => undefined });
  const { wsUrl, adminUrl } = served;
  // Cause each event whose series exists only after the first one: a hook, a refused request, a faulty frame, a
  // refused upgrade and a closed connection.
  const ann = await CmSocket.open(wsUrl, "ann");
  await ann.do({ type: "join", room: "lobby" });
  await ann.ask({ type: "nothing" });
  await ann.close();
  const refused = new WebSocket(`${wsUrl}?user=ann`, `not-${SUBPROTOCOL}`);
  await new Promise((resolve) => refused.once("error", resolve));
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  metrics = [...text.matchAll(/^# TYPE (cm_\w+) /gm)].map(([, name = ""]) => name);
  const found = new Map<string, Map<string, Set<string>>>();
  for (const [, name = "", labels = ""] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const known = found.get(name) ?? new Map<string, Set<string>>();
    found.set(name, known);
    for (const [, label = "", value = ""] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
      known.set(label, (known.get(label) ?? new Set()).add(value));
    }
  }
  series = found;
});

afterAll(() => served.gateway.close());

function read(path: string): Promise<string> {
  return readFile(new URL(`../../../../${path}`, import.meta.url), "utf8");
}

/** The names that `pattern` finds in its first group. */
function namesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name = ""]) => name);
}

async function dashboardQueries(): Promise<Query[]> {
  const { panels, templating } = JSON.parse(await read("deploy/grafana-dashboard.json"));
  const targets = panels.flatMap(({ targets }: { readonly targets: unknown[] }) => targets);
  const variables = templating.list.filter(({ type }: { readonly type: string }) => type === "query");
  return [
    ...targets.map(({ expr, legendFormat }: { readonly expr: string; readonly legendFormat: string }) => ({
      expression: expr,
      named: namesIn(legendFormat, /\{\{(\w+)\}\}/g),
    })),
    ...variables.map(({ query }: { readonly query: string }) => ({ expression: query, named: [] })),
  ];
}

async function alertQueries(): Promise<Query[]> {
  const rules = (await read("deploy/prometheus-rules.yml")).split("- alert: ").slice(1);
  return rules.map((rule) => ({
    expression: /^ *expr: (.+)$/m.exec(rule)?.[1] ?? "",
    named: namesIn(rule, /\$labels\.(\w+)/g),
  }));
}

/** Returns the series, labels and values in a query that the gateway does not export. */
function unknownsIn({ expression, named }: Query): string[] {
  const unknown: string[] = [];
  const labels = new Set(TARGET_LABELS);
  for (const [, name = "", matchers = ""] of expression.matchAll(/\b((?:cm|nodejs|process)_\w+)(?:\{([^}]*)\})?/g)) {
    const known = series.get(name);
    if (known === undefined) {
      unknown.push(name);
      continue;
    }
    for (const label of known.keys()) labels.add(label);
    for (const [, label = "", values = ""] of matchers.matchAll(/(\w+)=~?"([^"]*)"/g)) {
      if (TARGET_LABELS.includes(label)) continue;
      if (!known.has(label)) unknown.push(`${name}{${label}}`);
      // A code has a series only after it was counted, so accept every code of the protocol.
      const isKnown = (value: string) =>
        label === "code" ? isClientErrorCode(value) : known.get(label)?.has(value) === true;
      unknown.push(...values.split("|").filter((value) => !isKnown(value)));
    }
  }
  // An aggregation keeps only the labels that it lists.
  const kept = namesIn(expression, /\bby \(([^)]*)\)/g).map((list) => list.split(", "));
  unknown.push(...kept.flat().filter((label) => !labels.has(label)));
  const isAggregated = /\b(?:sum|max|min|avg|count)\b/.test(expression);
  const left = new Set(isAggregated ? kept.flat() : labels);
  unknown.push(...named.filter((label) => !left.has(label)).map((label) => `{{${label}}}`));
  return unknown;
}

describe.each([
  ["grafana-dashboard.json", dashboardQueries],
  ["prometheus-rules.yml", alertQueries],
])("deploy/%s", (_, queriesOf) => {
  it("asks only for series, labels and values that a gateway exports", async () => {
    const queries = await queriesOf();
    expect(queries.length).toBeGreaterThan(15);
    const wrong = queries
      .map((query) => ({ expression: query.expression, unknown: unknownsIn(query) }))
      .filter(({ unknown }) => unknown.length > 0);
    expect(wrong).toEqual([]);
  });
});

it("finds series, labels and values in an expression that no gateway exports", () => {
  const unknowns = (expression: string, ...named: string[]) => unknownsIn({ expression, named });
  expect(unknowns("rate(cm_nothing_total[5m])")).toEqual(["cm_nothing_total"]);
  expect(unknowns('cm_link_state{status="down"}')).toEqual(["cm_link_state{status}", "down"]);
  expect(unknowns('cm_link_state{state=~"down|lost"}', "state")).toEqual(["lost"]);
  expect(unknowns('cm_requests_refused_total{code="no-such-code"}')).toEqual(["no-such-code"]);
  expect(unknowns("sum by (reason) (cm_requests_refused_total)")).toEqual(["reason"]);
  expect(unknowns("sum(cm_requests_refused_total)", "code")).toEqual(["{{code}}"]);
  expect(unknowns("sum by (le) (cm_fanout_receivers)")).toEqual(["cm_fanout_receivers", "le"]);
});

it("has a panel of the dashboard for each metric of a gateway", async () => {
  const asked = new Set(
    (await dashboardQueries()).flatMap(({ expression }) =>
      namesIn(expression, /\b(cm_\w+)/g).flatMap((name) => [name, name.replace(/_(?:bucket|sum|count)$/, "")]),
    ),
  );
  expect(metrics.length).toBeGreaterThan(50);
  expect(metrics.filter((name) => !asked.has(name))).toEqual([]);
});

it("has a line in docs/operations.md for each limit that is counted, and no other", async () => {
  const [, table = ""] =
    /\| limit \| bound \|\n\|---\|---\|\n((?:\|.*\n)+)/.exec(await read("docs/operations.md")) ?? [];
  const named = table.split("\n").flatMap((row) => namesIn(row.split("|")[1] ?? "", /`([\w-]+)`/g));
  expect(named.sort()).toEqual([...(series.get("cm_limits_reached_total")?.get("limit") ?? [])].sort());
});
