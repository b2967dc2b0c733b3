import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import "./styles.css";

const client = new QueryClient({ defaultOptions: { queries: { retry: 1, staleTime: 5_000, refetchOnWindowFocus: true } } });
const root = document.getElementById("root");
if (root) createRoot(root).render(<QueryClientProvider client={client}><App /></QueryClientProvider>);
