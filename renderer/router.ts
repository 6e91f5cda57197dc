// The addresses of the screens; every screen but Home is loaded when it is first opened.

import { createRouter, createWebHashHistory } from 'vue-router';
import HomeView from './views/HomeView.vue';

const ROUTES = [
  { path: '/home', name: 'home', component: HomeView, meta: { title: 'Home', needsProject: false } },
  {
    path: '/label',
    name: 'label',
    component: () => import('./views/LabelView.vue'),
    meta: { title: 'Label', needsProject: true },
  },
  {
    path: '/data',
    name: 'data',
    component: () => import('./views/DataView.vue'),
    meta: { title: 'Data', needsProject: true },
  },
  {
    path: '/models',
    name: 'models',
    component: () => import('./views/ModelsView.vue'),
    meta: { title: 'Models', needsProject: true },
  },
  {
    path: '/train',
    name: 'train',
    component: () => import('./views/TrainView.vue'),
    meta: { title: 'Train', needsProject: true },
  },
  {
    path: '/train/:id',
    name: 'run',
    component: () => import('./views/RunView.vue'),
    meta: { title: 'Run', needsProject: true },
  },
  {
    path: '/inspect',
    name: 'inspect',
    component: () => import('./views/InspectView.vue'),
    meta: { title: 'Inspect', needsProject: true },
  },
  {
    path: '/inspect/policies',
    name: 'policies',
    component: () => import('./views/PoliciesView.vue'),
    meta: { title: 'Two policies', needsProject: true },
  },
  {
    path: '/settings',
    name: 'settings',
    component: () => import('./views/SettingsView.vue'),
    meta: { title: 'Settings', needsProject: false },
  },
  { path: '/:rest(.*)*', redirect: '/home' },
];

export const router = createRouter({ history: createWebHashHistory(), routes: ROUTES });
