import {
  Bell,
  BrainCircuit,
  ClipboardCheck,
  Crosshair,
  Database,
  Fingerprint,
  House,
  KeyRound,
  LayoutDashboard,
  Network,
  Radar,
  ScrollText,
  Search as SearchIcon,
  Siren,
  Telescope,
  Users as UsersIcon,
  Workflow,
} from "lucide-react";
import { type ComponentType, lazy } from "react";
import type { Permission } from "./api/types";

export interface Screen {
  path: string;
  /** The letter behind g. */
  key: string;
  name: string;
  need: Permission;
  icon: typeof House;
  group: "Triage" | "Detect" | "Operate";
  view: ComponentType<{ id?: string }>;
}

/** The one table of screens: navigation, keys, palette and help come from it. */
export const screens: Screen[] = [
  {
    path: "",
    key: "h",
    name: "Home",
    need: "read:home",
    icon: House,
    group: "Triage",
    view: lazy(() => import("./screens/home")),
  },
  {
    path: "search",
    key: "s",
    name: "Search",
    need: "read:events",
    icon: SearchIcon,
    group: "Triage",
    view: lazy(() => import("./screens/search")),
  },
  {
    path: "dashboards",
    key: "w",
    name: "Dashboards",
    need: "read:events",
    icon: LayoutDashboard,
    group: "Triage",
    view: lazy(() => import("./screens/dashboards")),
  },
  {
    path: "alerts",
    key: "a",
    name: "Alerts",
    need: "read:alerts",
    icon: Bell,
    group: "Triage",
    view: lazy(() => import("./screens/alerts")),
  },
  {
    path: "incidents",
    key: "i",
    name: "Incidents",
    need: "read:incidents",
    icon: Siren,
    group: "Triage",
    view: lazy(() => import("./screens/incidents")),
  },
  {
    path: "entities",
    key: "e",
    name: "Entities",
    need: "read:alerts",
    icon: Network,
    group: "Triage",
    view: lazy(() => import("./screens/entities")),
  },
  {
    path: "approvals",
    key: "p",
    name: "Approvals",
    need: "read:approvals",
    icon: Fingerprint,
    group: "Triage",
    view: lazy(() => import("./screens/approvals")),
  },
  {
    path: "detections",
    key: "d",
    name: "Detections",
    need: "read:rules",
    icon: Radar,
    group: "Detect",
    view: lazy(() => import("./screens/detections")),
  },
  {
    path: "hunts",
    key: "y",
    name: "Hunts",
    need: "run:hunts",
    icon: Telescope,
    group: "Detect",
    view: lazy(() => import("./screens/hunts")),
  },
  {
    path: "intel",
    key: "n",
    name: "Intel",
    need: "read:intel",
    icon: Crosshair,
    group: "Detect",
    view: lazy(() => import("./screens/intel")),
  },
  {
    path: "models",
    key: "m",
    name: "Models",
    need: "read:models",
    icon: BrainCircuit,
    group: "Detect",
    view: lazy(() => import("./screens/models")),
  },
  {
    path: "posture",
    key: "c",
    name: "Posture",
    need: "read:posture",
    icon: ClipboardCheck,
    group: "Detect",
    view: lazy(() => import("./screens/posture")),
  },
  {
    path: "playbooks",
    key: "b",
    name: "Playbooks",
    need: "read:playbooks",
    icon: Workflow,
    group: "Operate",
    view: lazy(() => import("./screens/playbooks")),
  },
  {
    path: "sources",
    key: "o",
    name: "Sources",
    need: "read:sources",
    icon: Database,
    group: "Operate",
    view: lazy(() => import("./screens/sources")),
  },
  {
    path: "audit",
    key: "l",
    name: "Audit",
    need: "read:audit",
    icon: ScrollText,
    group: "Operate",
    view: lazy(() => import("./screens/audit")),
  },
  {
    path: "users",
    key: "u",
    name: "Users",
    need: "admin:users",
    icon: UsersIcon,
    group: "Operate",
    view: lazy(() => import("./screens/users")),
  },
  {
    path: "account",
    key: "k",
    name: "Your account",
    need: "read:home",
    icon: KeyRound,
    group: "Operate",
    view: lazy(() => import("./screens/account")),
  },
];

/** A run is reached from its incident, not from the navigation. */
export const runScreen = lazy(() => import("./screens/run"));
