// The calls about what this machine can compute on.

import * as v from 'valibot';
import type { Hardware, ProviderReport } from '#core/contract.ts';
import { programCall } from './call.ts';
import { short } from './schemas.ts';

export const HARDWARE_CALLS = {
  'hardware.look': programCall<Hardware>()({}),
  /** Tests a provider now, in a process of its own: up to a minute. */
  'hardware.test': programCall<ProviderReport>()({ provider: v.picklist(['cpu', 'cuda', 'webgpu']) }),
  'hardware.choose': programCall<Hardware>()({ wanted: v.picklist(['auto', 'cpu', 'cuda', 'cuda:bf16', 'webgpu']) }),
  /** Brings the CUDA files beside the runtime; `path` is a wheel or a folder. It tells its steps as events. */
  'hardware.setup': programCall<Hardware>()({
    source: v.picklist(['installer', 'wheel', 'folder']),
    path: v.nullable(short),
  }),
  'hardware.libraries': programCall<Hardware>()({ folders: v.pipe(v.array(short), v.maxLength(100)) }),
} as const;
