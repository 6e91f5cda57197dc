// One sentence of the desk at a time: a second one would cover what is being read.

import { useToasts } from '#renderer/stores/toasts.ts';

export function useOneSentence() {
  const toasts = useToasts();
  let told = 0;
  const hush = (): void => toasts.close(told);
  function tell(sentence: string): void {
    hush();
    told = toasts.show({ sentence });
  }
  return { tell, hush };
}
