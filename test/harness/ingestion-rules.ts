import { loadConfig } from '../../src/config/config.ts';
import { type IngestionRules, ingestionRules } from '../../src/ingestion/index.ts';

/** The rules that apply where nothing is set, but for what the test is about. */
export function testRules(changes: Partial<IngestionRules> = {}): IngestionRules {
  return { ...ingestionRules(loadConfig({}, import.meta.dirname)), ...changes };
}
