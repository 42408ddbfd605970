// Checks custom resources against the models of their makers: models.mjs FILE, which holds {"objects": [{"name",
// "object"}]}; writes the faults as a list of {"name", "fault"}. Stands beside node_modules when it runs.
//
// Twice: the models' own validation at run time knows what is required, formats and values, but lets unknown fields
// pass. The compiler, given each object as a literal of the model's type, does not.

import { readFileSync } from "node:fs";
import ts from "typescript";

const PACKAGES = {
  "cert-manager.io": "cert-manager",
  "keda.sh": "keda",
  "monitoring.coreos.com": "prometheus-operator",
};

const { objects } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const faults = [];
const known = objects.filter(({ name, object }) => {
  const found = PACKAGES[object.apiVersion.split("/")[0]];
  if (!found) faults.push({ name, fault: `no model for ${object.apiVersion}` });
  return found;
});
const modelOf = ({ apiVersion, kind }) =>
  `@kubernetes-models/${PACKAGES[apiVersion.split("/")[0]]}/${apiVersion}/${kind}`;

for (const { name, object } of known) {
  try {
    const model = await import(modelOf(object));
    new model[object.kind](object).validate();
  } catch (error) {
    faults.push({ name, fault: error.message });
  }
}

// One file, a statement for each object, so that a diagnostic's line names the object.
const lines = known.map(({ object }, index) => {
  const type = `import(${JSON.stringify(modelOf(object))}).I${object.kind}`;
  return `export const object${index}: ${type} = ${JSON.stringify(object)};`;
});
const options = {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  noEmit: true,
  skipLibCheck: true,
  strict: true,
  types: [],
};
const host = ts.createCompilerHost(options);
const path = new URL("objects.mts", import.meta.url).pathname;
const { fileExists, getSourceFile, readFile } = host;
const text = lines.join("\n");
host.fileExists = (file) => file === path || fileExists.call(host, file);
host.readFile = (file) => (file === path ? text : readFile.call(host, file));
host.getSourceFile = (file, ...rest) =>
  file === path ? ts.createSourceFile(path, text, ts.ScriptTarget.ESNext) : getSourceFile.call(host, file, ...rest);
for (const found of ts.getPreEmitDiagnostics(ts.createProgram([path], options, host))) {
  const fault = ts.flattenDiagnosticMessageText(found.messageText, " ");
  if (found.file?.fileName !== path) {
    faults.push({ name: "the models", fault });
    continue;
  }
  const { line } = found.file.getLineAndCharacterOfPosition(found.start);
  faults.push({ name: known[line].name, fault });
}
console.log(JSON.stringify(faults));
