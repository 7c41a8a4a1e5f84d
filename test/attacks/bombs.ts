import { buildDocx, buildPdf, buildZip } from '../document-builders.ts';

/** Files that a parser must not be led astray by, by name. */
export const BOMBS: Record<string, () => Promise<Buffer> | Buffer> = {
  'a Word file whose text expands a thousandfold': () => wordFile(`<w:t>${'o'.repeat(20_000_000)}</w:t>`),
  'a Word file with eleven thousand parts': () =>
    buildDocx(['Otters.'], { parts: Object.fromEntries(Array.from({ length: 11_000 }, (_, i) => [`x/${i}!`, ''])) }),
  'a Word file whose directory understates its text': async () =>
    understated(await wordFile(`<w:t>${'o'.repeat(20_000_000)}</w:t>`)),
  'a Word file with a part that climbs out': async () => {
    const file = await buildDocx(['Otters.'], { parts: { 'aa/b.txt': 'x' } });
    return Buffer.from(file.toString('latin1').replaceAll('aa/b.txt', '../b.txt'), 'latin1');
  },
  'a Word file whose text is a link to a file': async () => asLinks(await wordDocument('/etc/passwd')),
  'a Word file that holds Word files in one another': async () => {
    let inner = await buildDocx(['Innermost.']);
    for (let depth = 0; depth < 20; depth++) {
      inner = await buildDocx(['Otters.'], { parts: { 'word/embeddings/inner.docx!': inner } });
    }
    return inner;
  },
  'a Word file with a billion laughs': () => wordDocument(laughs()),
  'a Word file with an entity that is a file': () =>
    wordDocument('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
  'a Word file nested beyond reason': () => wordDocument(`${'<a>'.repeat(100_000)}x${'</a>'.repeat(100_000)}`),
  'a zip that says it is text': () => buildZip({ zeros: Buffer.alloc(10_000_000) }),
  'a PDF of more pages than allowed': () => buildPdf(Array.from({ length: 21 }, () => 'Otters.')),
  'a PDF whose pages hold one another': () =>
    changed(buildPdf(['Otters.', 'Kelp.']), '/Kids [4 0 R 6 0 R]', '/Kids [2 0 R 2 0 R]'),
  'a PDF with a script that runs when it is opened': () =>
    changed(
      buildPdf(['Otters.']),
      '/Type /Catalog',
      '/Type /Catalog /OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>',
    ),
  'a PDF that is cut off': () => buildPdf(['Otters.']).subarray(0, 40),
};

/** The text of a Word file as it is. */
function wordDocument(xml: string): Promise<Buffer> {
  return buildDocx([], { parts: { 'word/document.xml': xml } });
}

function wordFile(run: string): Promise<Buffer> {
  return buildDocx([{ xml: `<w:p><w:r>${run}</w:r></w:p>` }]);
}

function laughs(): string {
  const levels = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`);
  return `<!DOCTYPE a [<!ENTITY l0 "lol">${levels.join('')}]><a>&l9;</a>`;
}

/** Every entry says that it has a hundred bytes. */
function understated(zip: Buffer): Buffer {
  for (const at of directoryEntries(zip)) zip.writeUInt32LE(100, at + 24);
  return zip;
}

/** Every entry says that it is a symbolic link, by the file mode of Unix. */
function asLinks(zip: Buffer): Buffer {
  for (const at of directoryEntries(zip)) zip.writeUInt32LE(0o120777 * 0x10000, at + 38);
  return zip;
}

function directoryEntries(zip: Buffer): number[] {
  const entry = Buffer.from('504b0102', 'hex');
  const places: number[] = [];
  for (let at = zip.indexOf(entry); at >= 0; at = zip.indexOf(entry, at + 4)) places.push(at);
  return places;
}

function changed(file: Buffer, from: string, to: string): Buffer {
  return Buffer.from(
    file.toString('latin1').replace(from, () => to),
    'latin1',
  );
}
