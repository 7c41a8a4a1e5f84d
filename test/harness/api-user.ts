import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into by tests, which say what they expect.
export type Json = any;

/** Somebody with an account who uses a running server over HTTP. */
export interface ApiUser {
  request(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Json }>;
  upload(file: string | { name: string; content: Uint8Array }, fields?: Record<string, string>): Promise<Json>;
  /** Waits until the job has ended, whatever way. */
  finished(jobId: string): Promise<Json>;
  ask(query: string, options?: Record<string, unknown>): Promise<Json>;
}

/** `url` may be asked each time, since a restarted server may have another port. */
export async function registerOver(url: string | (() => string), email: string): Promise<ApiUser> {
  const currentUrl = typeof url === 'string' ? () => url : url;
  const answer = await fetch(`${currentUrl()}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: 'correct horse battery staple' }),
  });
  const { access_token } = (await answer.json()) as { access_token: string };
  return apiUser(currentUrl, access_token);
}

export function apiUser(url: () => string, token: string): ApiUser {
  const authorization = `Bearer ${token}`;

  async function request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(url() + path, {
      method,
      headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }

  return {
    request,
    async upload(file, fields = {}) {
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.append(name, value);
      if (typeof file === 'string') form.append('file', await openAsBlob(file), basename(file));
      else form.append('file', new Blob([file.content as Uint8Array<ArrayBuffer>]), file.name);
      const response = await fetch(`${url()}/ingest/file`, { method: 'POST', headers: { authorization }, body: form });
      const body = await response.json();
      if (response.status !== 202) throw new Error(`upload refused: ${JSON.stringify(body)}`);
      return body;
    },
    async finished(jobId) {
      const until = Date.now() + 240_000;
      while (Date.now() < until) {
        const { body } = await request('GET', `/jobs/${jobId}?wait=20`);
        if (body.finished_at !== null) return body;
      }
      throw new Error(`job ${jobId} did not end`);
    },
    async ask(query, options = {}) {
      return (await request('POST', '/search/knowledge', { query, ...options })).body;
    },
  };
}
