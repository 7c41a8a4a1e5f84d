import { startProcess } from '../database-processes/start.ts';

/** Starts a script of this folder several times, lets all begin at one moment, and gives what each printed after `name=`. */
export async function startTogether(script: string, count: number, argument: string, name: string): Promise<string[]> {
  const file = new URL(script, import.meta.url).href;
  const processes = Array.from({ length: count }, () => startProcess(file, argument));
  await Promise.all(processes.map((started) => started.printed('ready')));
  for (const { child } of processes) child.stdin.write('go\n');
  const outputs = await Promise.all(processes.map((started) => started.output()));
  return outputs.map((output) => output.split(`${name}=`)[1]!.trim());
}
