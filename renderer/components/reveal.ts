// Opens what was written in the system's file manager; tells why not where there is none.

import type { Fault } from '#core/contract/messages.ts';
import { call, faultOf } from '#renderer/api.ts';
import { useToasts } from '#renderer/stores/toasts.ts';

/** `failed` hears of it where a toast would lie under a dialog. */
export async function reveal(path: string, failed?: (fault: Fault) => void): Promise<void> {
  try {
    await call('files.reveal', { path });
  } catch (error) {
    if (failed) failed(faultOf(error));
    else useToasts().fault(error);
  }
}
