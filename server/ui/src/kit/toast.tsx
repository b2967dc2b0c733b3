import { createContext, type ReactNode, useCallback, useContext, useRef, useState } from "react";
import { useCommand } from "./keyboard";
import { Text } from "./text";

interface Toast {
  text: string;
  bad?: boolean;
  undo?: () => void;
}

const Context = createContext<(t: Toast) => void>(() => {});
const shownFor = 10_000;

/** One message at a time: the newest. `u` undoes it while it is there. */
export function Toasts({ children }: { children: ReactNode }) {
  const [toast, setToast] = useState<Toast | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const show = useCallback((t: Toast) => {
    clearTimeout(timer.current);
    setToast(t);
    timer.current = setTimeout(() => setToast(null), shownFor);
  }, []);
  const undo = toast?.undo;
  const doUndo = undo
    ? () => {
        setToast(null);
        undo();
      }
    : undefined;
  useCommand("undo", doUndo);
  return (
    <Context.Provider value={show}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {toast ? (
          <div className={`toast ${toast.bad ? "is-bad" : ""}`}>
            <span>
              <Text of={toast.text} />
            </span>
            {doUndo ? (
              <button className="ghost" onClick={doUndo}>
                Undo <kbd>u</kbd>
              </button>
            ) : null}
            <button className="ghost" aria-label="Dismiss" onClick={() => setToast(null)}>
              ×
            </button>
          </div>
        ) : null}
      </div>
    </Context.Provider>
  );
}

export function useToast(): (t: Toast) => void {
  return useContext(Context);
}
