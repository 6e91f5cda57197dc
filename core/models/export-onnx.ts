// The forward pass of a model as an ONNX file that any ONNX Runtime opens: weights beside it, shapes fixed.
//
//   ids int32 [B, T] -> logits [B, T, V]            a language model
//   ids int32 [B, T], last int32 [B] -> scores [B]  a reward model; `last` is the place of each row's last token
// Rows are filled up on the right with any token: a token sees only those before it, so filling changes nothing.

import path from 'node:path';
import { createGraph, input, named, sizeOf } from '#core/autodiff/graph.ts';
import type { Graph, Tensor } from '#core/autodiff/graph.ts';
import { encodeModel } from '#core/autodiff/onnx.ts';
import type { External } from '#core/autodiff/onnx.ts';
import { identity, reshape } from '#core/autodiff/ops/movement.ts';
import { TastemakerError } from '#core/errors.ts';
import { replaceFile, writeFully } from '#core/formats/file-access.ts';
import type { Architecture } from './architecture.ts';
import type { MergedModel } from './merged-tensors.ts';
import { isScoreHead, readHead } from './heads.ts';
import { trunk } from './transformer.ts';

export const ONNX_FILE = 'model.onnx';
export const ONNX_DATA = 'model.onnx.data';
const USUAL_TOKENS = 512;
const ALIGNMENT = 64; // bytes; what the runtime likes to map
const INLINE = 1024; // bytes: smaller constants stay in the model itself, as shapes and axes must

export interface OnnxSettings {
  /** rows (B) and tokens a row (T) of every run */
  batch: number;
  tokens: number;
  onProgress?: ((bytes: number, total: number) => void) | undefined;
}

/** One row, of 512 tokens or as many as the model can see. */
export const onnxDefaults = ({ context }: Architecture): { batch: number; tokens: number } => ({
  batch: 1,
  tokens: Math.min(USUAL_TOKENS, context),
});

/** The graph with its weights as inputs, by name. */
function forward(
  { architecture, head, tensors }: MergedModel,
  B: number,
  T: number,
): { graph: Graph; output: Tensor; weights: Record<string, Tensor> } {
  const graph = createGraph();
  const ids = input(graph, 'ids', 'int32', [B, T]);
  const last = isScoreHead(head) ? input(graph, 'last', 'int32', [B]) : null;
  const weights = Object.fromEntries(tensors.map(({ name, shape }) => [name, input(graph, name, 'float32', shape)]));
  // no more positions than there can be
  const model = { architecture: { ...architecture, context: T }, weights, graph, forward: true };
  const taps = trunk(model, { ids, ...(last ? { at: reshape(last, [B, 1]) } : {}) });
  const output = last
    ? named(identity(readHead(head, model, taps)), 'scores')
    : named(reshape(readHead(head, model, taps), [B, T, architecture.vocabulary]), 'logits');
  // constants that no node reads, which the runtime would complain of
  const read = new Set(graph.nodes.filter(({ composed }) => !composed).flatMap(({ inputs }) => inputs));
  for (const [key, tensor] of graph.constants) if (!read.has(tensor)) graph.constants.delete(key);
  return { graph, output, weights };
}

/**
 * Writes the model and its weights into `folder`, each file whole or not at all. 'bad-argument' where a row is longer
 * than the model's context.
 */
export function saveOnnx(folder: string, model: MergedModel, { batch, tokens, onProgress }: OnnxSettings): void {
  const { context } = model.architecture;
  if (tokens > context)
    throw new TastemakerError(
      'bad-argument',
      `Rows of ${tokens} tokens are longer than the model's context of ${context}.`,
      `Ask for ${context} tokens at most.`,
    );
  const { graph, output, weights } = forward(model, batch, tokens);
  const large = [...graph.constants.values()].filter(({ values }) => values.byteLength >= INLINE);
  const parts: { tensor: Tensor; bytes: number; load(): ArrayBufferView }[] = [
    ...model.tensors.map(({ name, shape, load }) => ({ tensor: weights[name]!, bytes: 4 * sizeOf(shape), load })),
    ...large.map((tensor) => ({ tensor, bytes: tensor.values.byteLength, load: () => tensor.values })),
  ];
  const externals = new Map<Tensor, External>();
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  let end = 0;
  for (const { tensor, bytes } of parts) {
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    externals.set(tensor, { location: ONNX_DATA, offset, length: bytes });
    end = offset + bytes;
  }
  let written = 0;
  replaceFile(path.join(folder, ONNX_DATA), (fd) => {
    let at = 0;
    for (const { tensor, bytes, load } of parts) {
      const { offset } = externals.get(tensor)!;
      const data = load();
      if (data.byteLength !== bytes)
        throw new TastemakerError(
          'bad-model',
          `The tensor "${tensor.name}" has ${data.byteLength} bytes, its shape says ${bytes}.`,
          'Copy or download the model again.',
        );
      writeFully(fd, new Uint8Array(offset - at));
      writeFully(fd, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      at = offset + bytes;
      onProgress?.((written += bytes), total);
    }
  });
  replaceFile(path.join(folder, ONNX_FILE), (fd) => writeFully(fd, encodeModel(graph, [output], externals)));
}

/** Bytes of weights and tables; the graph itself is small. */
export const onnxBytes = ({ architecture, tensors }: MergedModel, tokens: number): number =>
  4 * (tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0) + tokens * (tokens + architecture.rotaryWidth));
