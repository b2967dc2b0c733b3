import { autocompletion, closeBrackets, type CompletionContext } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import {
  bracketMatching,
  HighlightStyle,
  indentUnit,
  StreamLanguage,
  syntaxHighlighting,
} from "@codemirror/language";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { unifiedMergeView } from "@codemirror/merge";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags as t } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import type { RuleProblem, Word } from "../api/types";
import { offered, placeOf, token } from "../lib/rulewords";

/** Styles that CodeMirror makes at run time need the page's nonce: the policy forbids others. */
const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content ?? "";

const colours = HighlightStyle.define([
  { tag: t.comment, color: "var(--dim)", fontStyle: "italic" },
  { tag: t.propertyName, color: "var(--info)" },
  { tag: t.string, color: "var(--ok)" },
  { tag: [t.number, t.bool, t.atom], color: "var(--warn)" },
  { tag: t.variableName, color: "var(--accent)" },
  { tag: [t.keyword, t.function(t.variableName)], color: "var(--sev-high)" },
  { tag: [t.operator, t.punctuation], color: "var(--dim)" },
]);

const look = EditorView.theme({
  "&": { fontSize: "13px", backgroundColor: "var(--surface)", color: "var(--text)", height: "62vh" },
  ".cm-scroller": { fontFamily: "var(--font-mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--accent)", padding: "10px 0" },
  ".cm-gutters": { backgroundColor: "var(--raised)", color: "var(--dim)", border: "0" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--hover) 60%, transparent)" },
  ".cm-cursor": { borderLeftColor: "var(--accent)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground, ::selection": {
    backgroundColor: "var(--accent-soft) !important",
  },
  ".cm-tooltip": {
    backgroundColor: "var(--surface)",
    color: "var(--text)",
    border: "1px solid var(--line-strong)",
    borderRadius: "6px",
  },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    backgroundColor: "var(--accent-soft)",
    color: "var(--text)",
  },
  ".cm-completionDetail": { color: "var(--dim)", fontStyle: "normal" },
  ".cm-diagnostic": { borderLeftColor: "var(--bad)", fontFamily: "var(--font-ui)" },
  ".cm-lintRange-error": {
    backgroundImage: "none",
    textDecoration: "underline wavy var(--bad)",
    textUnderlineOffset: "3px",
  },
  ".cm-insertedLine, .cm-changedLine": { backgroundColor: "var(--ok-soft) !important" },
  ".cm-deletedChunk": { backgroundColor: "var(--bad-soft)" },
  ".cm-changedText": { background: "none" },
});

const language = StreamLanguage.define({
  name: "rule",
  token,
  tokenTable: { function: t.function(t.variableName) },
});

function completion(words: () => Word[]): Extension {
  const source = (c: CompletionContext) => {
    const found = offered(c.state.sliceDoc(0, c.pos), words());
    if (!found) return null;
    return {
      from: found.from,
      options: found.words.slice(0, 200).map((w) => ({
        label: w.name,
        detail: w.detail,
        info: w.doc,
        type: { field: "variable", function: "function", key: "property" }[w.kind],
        apply: w.kind === "key" ? `${w.name}: ` : w.kind === "function" ? `${w.name}(` : w.name,
      })),
    };
  };
  return autocompletion({ override: [source], icons: false });
}

interface EditorProps {
  /** What the editor starts with; later texts are its own. */
  text: string;
  change: (text: string) => void;
  problems: RuleProblem[];
  words: Word[];
  /** Shows what changed since this text. */
  before?: string;
  label: string;
  /** Where the caret shall go; a new object moves it. */
  at?: { line: number; column: number };
}

/** Edits a rule document: completion, problems on their character, and the difference to another text. */
export function Editor({ text, change, problems, words, before, label, at }: EditorProps) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const latest = useRef({ change, words });
  latest.current = { change, words };
  const difference = useRef(new Compartment());
  useEffect(() => {
    if (!box.current) return;
    const v = new EditorView({
      parent: box.current,
      state: EditorState.create({
        doc: text,
        extensions: [
          nonce ? EditorView.cspNonce.of(nonce) : [],
          lineNumbers(),
          history(),
          highlightActiveLine(),
          bracketMatching(),
          closeBrackets(),
          lintGutter(),
          indentUnit.of("  "),
          EditorState.tabSize.of(2),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", tabindex: "0" }),
          keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
          language,
          syntaxHighlighting(colours),
          completion(() => latest.current.words),
          look,
          difference.current.of([]),
          EditorView.updateListener.of((u) => {
            if (u.docChanged) latest.current.change(u.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = v;
    return () => v.destroy();
    // The editor lives as long as the screen; only its first text is given.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);
  useEffect(() => {
    const v = view.current;
    if (!v) return;
    const doc = v.state.doc.toString();
    const found: Diagnostic[] = problems.map((p) => ({
      ...placeOf(doc, p.line, p.column),
      severity: "error",
      message: p.hint ? `${p.message} (${p.hint})` : p.message,
    }));
    v.dispatch(setDiagnostics(v.state, found));
  }, [problems]);
  useEffect(() => {
    const with_ = before === undefined ? [] : unifiedMergeView({ original: before, mergeControls: false });
    view.current?.dispatch({ effects: difference.current.reconfigure(with_) });
  }, [before]);
  useEffect(() => {
    const v = view.current;
    if (!v || !at) return;
    const { from } = placeOf(v.state.doc.toString(), at.line, at.column);
    v.dispatch({ selection: { anchor: from }, scrollIntoView: true });
    v.focus();
  }, [at]);
  return <div ref={box} className="editor-box" />;
}
