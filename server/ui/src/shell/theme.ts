import { useEffect, useState } from "react";

export interface Theme {
  name: "dark" | "light";
  toggle: () => void;
}

/** Dark unless a person chose light. */
export function useTheme(): Theme {
  const [name, setName] = useState<Theme["name"]>(() =>
    localStorage.getItem("theme") === "light" ? "light" : "dark",
  );
  useEffect(() => {
    document.documentElement.dataset.theme = name;
    localStorage.setItem("theme", name);
  }, [name]);
  return { name, toggle: () => setName(name === "dark" ? "light" : "dark") };
}
