// How an edited rule is kept as a file: those in the folder "rules" of the data folder are
// used by the next start. Deploying (screens/rule-deploy.tsx) needs no file and no start.
import { saveFile } from "./download";

export interface Kept {
  /** What the person does next. */
  next: string;
}

/** Hands the rule to the person as a file. */
export function keepRule(id: string, yaml: string): Kept {
  const name = `${id}.yaml`;
  saveFile(name, yaml, "application/yaml");
  return { next: `vigil rules check ${name} && cp ${name} "$VIGIL_DATA/rules/"` };
}
