// What this machine can compute on, and what it computes on now; the calls about it.

import * as v from 'valibot';
import { programCall } from './call.ts';
import { short } from './schemas.ts';

export type ProviderName = 'cpu' | 'cuda' | 'webgpu';

/** What a person asked to compute on: the best that passes its self-test, or one of them and no other. */
export type WantedDevice = 'auto' | 'cpu' | 'cuda' | 'cuda:bf16' | 'webgpu';
export interface Device {
  provider: ProviderName;
  precision: 'fp32' | 'bf16';
  name: string;
  cores: number;
  memoryBytes: number;
  freeBytes: number;
  /** why this and not another */
  reason: string;
}

/** A graphics card as its driver describes it now; null where it does not say. */
export interface CardNow {
  name: string;
  memoryBytes: number;
  usedBytes: number;
  /** per cent */
  load: number | null;
  celsius: number | null;
  watts: number | null;
}

export interface SelfTest {
  at: number;
  ok: boolean;
  /** what it says, the operator that failed named */
  sentence: string;
  seconds: number;
  checks: { name: string; ok: boolean; worst: number; tolerance: number }[];
}

/**
 * `ready`: it passed its self-test; `untested`: all is there; `refused`: it failed; `missing`: something is not there;
 * `broken`: there and wrong.
 */
export interface ProviderReport {
  provider: ProviderName;
  title: string;
  state: 'ready' | 'untested' | 'refused' | 'missing' | 'broken';
  /** what is there and what is missing, one sentence each */
  lines: string[];
  selfTest: SelfTest | null;
}

export interface Hardware {
  device: Device;
  wanted: WantedDevice;
  providers: ProviderReport[];
  cards: CardNow[];
  /** folders of CUDA libraries that this person named */
  libraryFolders: string[];
}

export const HARDWARE_CALLS = {
  'hardware.look': programCall<Hardware>('again')({}),
  /** Tests a provider now, in a process of its own: up to a minute. */
  'hardware.test': programCall<ProviderReport>('again')({ provider: v.picklist(['cpu', 'cuda', 'webgpu']) }),
  'hardware.choose': programCall<Hardware>('again')({
    wanted: v.picklist(['auto', 'cpu', 'cuda', 'cuda:bf16', 'webgpu']),
  }),
  /** Brings the CUDA files beside the runtime; `path` is a wheel or a folder. It tells its steps as events. */
  'hardware.setup': programCall<Hardware>('once')({
    source: v.picklist(['installer', 'wheel', 'folder']),
    path: v.nullable(short),
  }),
  'hardware.libraries': programCall<Hardware>('again')({ folders: v.pipe(v.array(short), v.maxLength(100)) }),
} as const;
