/** The mark: an open eye that is also a ring of watch. */
export function Mark({ size = 20 }: { size?: number }) {
  return (
    <svg className="mark" width={size} height={size} viewBox="0 0 24 24" fill="none" aria-hidden>
      <path d="M2 12c3-5 6.3-7.5 10-7.5S19 7 22 12c-3 5-6.3 7.5-10 7.500S5 17 2 12Z" strokeWidth="2" />
      <circle cx="12" cy="12" r="3.2" />
    </svg>
  );
}
