// Formulas as JSON on standard input, [[LaTeX, display], ...]; their HTML as JSON on standard output.
// A formula that KaTeX cannot read ends everything, with the formula in the message.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const katex = require("katex");

function rendered([latex, displayMode]) {
  try {
    return katex.renderToString(latex, { displayMode, throwOnError: true, strict: "error" });
  } catch (error) {
    throw new Error(`${error.message}\nin the formula: ${latex}`);
  }
}

try {
  const formulas = JSON.parse(readFileSync(0, "utf-8"));
  process.stdout.write(JSON.stringify(formulas.map(rendered)));
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
