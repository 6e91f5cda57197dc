// Reads where ONNX Runtime placed the nodes of graphs out of what it logs while opening them.

/** Marks between the runtime's lines: what is being opened, and why it could not be. */
export const OPENING = '@@ opening ';
export const FAILED = '@@ failed: ';

export interface PlacedGraph {
  name: string;
  /** nodes by provider */
  counts: Record<string, number>;
  /** nodes on the processor: operator and name */
  onProcessor: { operator: string; node: string }[];
  /** copies that the runtime put in, as it names them */
  copies: string[];
  problem: string | null;
}

const PLACED =
  /VerifyEachNodeIsAssignedToAnEp\]\s+(?:All nodes|Node\(s\)) placed on \[(\w+)\]\. Number of nodes: (\d+)/;
const ONE_NODE = /VerifyEachNodeIsAssignedToAnEp\]\s+(\S+) \((.*)\)\s*$/;
const COPY = /AddCopyNode\]\s*(.+)$/;
const PROCESSOR = 'CPUExecutionProvider';

/** One entry a graph, in the order in which they were opened. */
export function readPlacements(log: string): PlacedGraph[] {
  const graphs: PlacedGraph[] = [];
  let provider = '';
  for (const line of log.split('\n')) {
    const graph = graphs.at(-1);
    const placed = PLACED.exec(line);
    const node = ONE_NODE.exec(line);
    const copy = COPY.exec(line);
    if (line.startsWith(OPENING))
      graphs.push({ name: line.slice(OPENING.length).trim(), counts: {}, onProcessor: [], copies: [], problem: null });
    else if (!graph) continue;
    else if (line.startsWith(FAILED)) graph.problem = line.slice(FAILED.length).trim();
    else if (placed) {
      provider = placed[1]!;
      graph.counts[provider] = (graph.counts[provider] ?? 0) + Number(placed[2]);
    } else if (node && provider === PROCESSOR) graph.onProcessor.push({ operator: node[1]!, node: node[2]! });
    else if (copy) graph.copies.push(copy[1]!.trim());
  }
  return graphs;
}
