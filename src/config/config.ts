import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import type { z } from 'zod';
import { AppError, type FieldError } from '../errors/app-error.ts';
import { CLIENT_VARIABLES, GUARDED_PREFIXES, SETTINGS, type SettingName } from './settings.ts';

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<Camel<Tail>>}`
  : Lowercase<S>;

/** All settings, typed and frozen: `config.maxUploadBytes`. */
export type Config = {
  readonly [K in SettingName as Camel<K>]: z.infer<(typeof SETTINGS)[K]['schema']>;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** One setting as it is in effect, and which layer it came from. */
export interface EffectiveSetting {
  readonly name: SettingName;
  readonly value: unknown;
  /** `default`, the path of the configuration file, or the name of the environment variable. */
  readonly origin: string;
}

/**
 * Reads the settings in layers: defaults, then `anyrag.yml` (or the file that ANYRAG_CONFIG names), then the environment.
 * `NAME_FILE` gives a value by the path of a file that holds it. Throws `config_invalid` with every problem at once.
 */
export function loadConfig(env: Environment, directory: string): Config {
  return toConfig(effectiveSettings(env, directory), directory);
}

/** The same settings one by one, for showing them. Throws as `loadConfig` does. */
export function effectiveSettings(env: Environment, directory: string): EffectiveSetting[] {
  const problems: FieldError[] = [];
  const given = new Map([...readConfigFile(env, directory, problems), ...readEnvironment(env, problems)]);
  const settings: EffectiveSetting[] = [];
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const { value, origin } = given.get(name) ?? { value: undefined, origin: 'default' };
    const parsed = setting.schema.safeParse(value);
    if (parsed.success) settings.push({ name: name as SettingName, value: parsed.data, origin });
    else problems.push({ path: name, message: `${parsed.error.issues[0]?.message ?? 'invalid'} (${setting.type})` });
  }
  if (problems.length === 0) return settings;
  const sentences = problems.map((problem) => `${problem.path}: ${problem.message}`).join('; ');
  throw new AppError('config_invalid', `The configuration is not valid: ${sentences}`, { errors: problems });
}

/** The settings by the names that the code uses, with DATA_DIR as an absolute path. */
export function toConfig(settings: readonly EffectiveSetting[], directory: string): Config {
  const values: Record<string, unknown> = {};
  for (const { name, value } of settings) values[camelCase(name)] = value;
  values.dataDir = resolve(directory, values.dataDir as string);
  return Object.freeze(values) as Config;
}

/** A value as it was given, by the name of its setting. */
type Layer = Map<string, { value: unknown; origin: string }>;

function readConfigFile(env: Environment, directory: string, problems: FieldError[]): Layer {
  const named = env.ANYRAG_CONFIG?.trim() || null;
  const path = resolve(directory, named ?? 'anyrag.yml');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const isLeftOut = (error as NodeJS.ErrnoException).code === 'ENOENT' && named === null;
    if (!isLeftOut) problems.push({ path, message: 'the file cannot be read' });
    return new Map();
  }
  return fromYaml(text, path, problems);
}

function fromYaml(text: string, path: string, problems: FieldError[]): Layer {
  const layer: Layer = new Map();
  let document: unknown;
  try {
    document = parse(text) ?? {};
  } catch (error) {
    problems.push({ path, message: `not valid YAML: ${(error as Error).message.split('\n')[0]}` });
    return layer;
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    problems.push({ path, message: 'must hold settings as "name: value" lines' });
    return layer;
  }
  for (const [key, value] of Object.entries(document)) {
    const name = key.toUpperCase();
    const isKnown = Object.hasOwn(SETTINGS, name) && key === key.toLowerCase();
    if (!isKnown) problems.push({ path: `${path}: ${key}`, message: 'unknown setting' });
    // "name:" with nothing behind it is not set, as it is in the environment.
    else if (value !== null) layer.set(name, { value, origin: path });
  }
  return layer;
}

function readEnvironment(env: Environment, problems: FieldError[]): Layer {
  const layer: Layer = new Map();
  for (const [variable, text] of Object.entries(env)) {
    // An empty variable is how shells and compose files say "not set".
    if (text === undefined || text.trim() === '') continue;
    const base = variable.endsWith('_FILE') ? variable.slice(0, -'_FILE'.length) : null;
    const isFile = base !== null && Object.hasOwn(SETTINGS, base) && !Object.hasOwn(SETTINGS, variable);
    const name = isFile ? base : variable;
    if (Object.hasOwn(SETTINGS, name)) {
      if (layer.has(name)) problems.push({ path: name, message: `is given twice, also as ${name}_FILE` });
      layer.set(name, { value: isFile ? readSecretFile(variable, text, problems) : text, origin: variable });
    } else if (GUARDED_PREFIXES.some((prefix) => name.startsWith(prefix)) && !CLIENT_VARIABLES.has(name)) {
      problems.push({ path: name, message: 'unknown setting' });
    }
  }
  return layer;
}

function readSecretFile(name: string, path: string, problems: FieldError[]): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    problems.push({ path: name, message: 'the file cannot be read' });
    return undefined;
  }
}

function camelCase(name: string): string {
  return name.toLowerCase().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
