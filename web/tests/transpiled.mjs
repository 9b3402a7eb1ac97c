// `src/words/plural.ts` without its types, as the bundler makes it: the test takes the source itself.
import { readFileSync } from "node:fs";

import ts from "typescript";

const source = readFileSync(new URL("../src/words/plural.ts", import.meta.url)).toString();
const { outputText } = ts.transpileModule(source, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } });
export const { plural } = await import(`data:text/javascript,${encodeURIComponent(outputText)}`);
