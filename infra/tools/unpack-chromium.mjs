// Unpacks the browser of @sparticuz/chromium to chromium/ and writes chromium/chrome, which starts it with the libraries and the
// font that come with it, so that pages look alike on every machine. The package holds a Linux x64 build only; elsewhere
// chromium/chrome starts the browser that is on the PATH.
import { createReadStream, createWriteStream } from 'node:fs';
import { access, chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { constants } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createBrotliDecompress } from 'node:zlib';
import { extract } from 'tar-fs';

const here = dirname(fileURLToPath(import.meta.url));
const packed = join(here, 'node_modules/@sparticuz/chromium/bin');
const target = join(here, 'chromium');
const part = `${target}.part`;

async function unpack(name, sink) {
  await pipeline(createReadStream(join(packed, name)), createBrotliDecompress(), sink);
}

async function onPath() {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']) {
    for (const folder of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
      const candidate = join(folder, name);
      try {
        await access(candidate, constants.X_OK);
        return candidate;
      } catch {
        // not here; the next folder may have it
      }
    }
  }
  throw new Error(`no Chromium for ${process.platform} ${process.arch}: install one that is on the PATH as "chromium"`);
}

await rm(part, { recursive: true, force: true });
await mkdir(join(part, 'app'), { recursive: true });

let start;
if (process.platform === 'linux' && process.arch === 'x64') {
  await Promise.all([
    unpack('chromium.br', createWriteStream(join(part, 'app/chromium'), { mode: 0o755 })),
    unpack('swiftshader.tar.br', extract(join(part, 'app'))),
    unpack('al2023.tar.br', extract(part)),
    unpack('fonts.tar.br', extract(join(part, 'fontconfig'))),
  ]);
  // The configuration in the package points at a folder of AWS Lambda's.
  await writeFile(join(part, 'fontconfig/fonts.conf'), `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`);
  start = `here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
export LD_LIBRARY_PATH="$here/lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export FONTCONFIG_PATH="$here/fontconfig"
exec "$here/app/chromium" "$@"
`;
} else {
  start = `exec '${await onPath()}' "$@"\n`;
}
await writeFile(join(part, 'chrome'), `#!/bin/sh\n${start}`);
await chmod(join(part, 'chrome'), 0o755);
await rm(target, { recursive: true, force: true });
await rename(part, target);
console.log(join(target, 'chrome'));
