import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { jsonTokens, type Token, yamlTokens } from "../lib/highlight";
import { Text } from "./text";

/** Copies text and says so. */
export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" className="ghost icon" aria-label={label} title={label} onClick={() => void copy()}>
      {done ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
    </button>
  );
}

function tokens(text: string, language: "json" | "yaml" | "text"): Token[] {
  if (language === "json") return jsonTokens(text);
  if (language === "yaml") return yamlTokens(text);
  return [{ text, kind: "plain" }];
}

interface CodeProps {
  text: string;
  language?: "json" | "yaml" | "text";
  copy?: boolean;
  label?: string;
  tall?: boolean;
}

/** Text as written: coloured, copied, never interpreted. */
export function Code({ text, language = "text", copy, label = "Text", tall }: CodeProps) {
  return (
    <div className={`code ${tall ? "is-tall" : ""}`}>
      <pre tabIndex={0} role="region" aria-label={label}>
        {tokens(text, language).map((t, i) =>
          t.kind === "plain" ? (
            <Text key={i} of={t.text} />
          ) : (
            <span key={i} className={`tok-${t.kind}`}>
              <Text of={t.text} />
            </span>
          ),
        )}
      </pre>
      {copy ? <CopyButton text={text} /> : null}
    </div>
  );
}
