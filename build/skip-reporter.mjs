// A Vitest reporter that keeps the reason a test gave for skipping itself, which the JSON report would drop.

/** Puts the reason of `context.skip(reason)` where the JSON reporter copies from: the test's meta. */
export default class SkipReporter {
  // Vitest loads reporters as default exports
  onTestCaseResult(test) {
    const result = test.result();
    if (result.state === 'skipped' && result.note) test.meta().skipReason = result.note;
  }
}
