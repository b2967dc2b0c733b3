import { X } from "lucide-react";
import { type FormEvent, type ReactNode, useEffect, useRef } from "react";
import { useCommand } from "./keyboard";

interface DialogProps {
  title: ReactNode;
  close: () => void;
  children: ReactNode;
  /** Called by the form; a dialog without it only shows. */
  submit?: () => void;
  footer?: ReactNode;
  wide?: boolean;
}

/** A modal question. The browser keeps the focus inside and gives it back. */
export function Dialog({ title, close, children, submit, footer, wide }: DialogProps) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const d = box.current;
    d?.showModal();
    d?.querySelector<HTMLElement>("[data-first]")?.focus();
    return () => d?.close();
  }, []);
  const onSubmit = (e: FormEvent) => {
    e.preventDefault();
    // A dialog may be asked for within another form: its answer is not that form's.
    e.stopPropagation();
    submit?.();
  };
  return (
    <dialog
      ref={box}
      className={wide ? "is-wide" : ""}
      aria-labelledby="dialog-title"
      onCancel={close}
      onClose={close}
    >
      <form onSubmit={onSubmit}>
        <header>
          <h2 id="dialog-title">{title}</h2>
          <button type="button" className="ghost icon" aria-label="Close" onClick={close}>
            <X size={16} aria-hidden />
          </button>
        </header>
        <div className="dialog-body">{children}</div>
        {footer ? <footer>{footer}</footer> : null}
      </form>
    </dialog>
  );
}

interface DrawerProps {
  title: ReactNode;
  close: () => void;
  children: ReactNode;
  actions?: ReactNode;
}

/** A panel beside the list. The list stays alive: j and k still move. */
export function Drawer({ title, close, children, actions }: DrawerProps) {
  useCommand("escape", close);
  return (
    <aside className="drawer" aria-label="Details">
      <header>
        <h2>{title}</h2>
        {actions}
        <button className="ghost icon" aria-label="Close details" title="Close (Esc)" onClick={close}>
          <X size={16} aria-hidden />
        </button>
      </header>
      <div className="drawer-body">{children}</div>
    </aside>
  );
}
